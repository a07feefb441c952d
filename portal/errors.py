"""What the rules of the trade may refuse. The text of each is one sentence for the person at the screen."""


class PortalError(Exception):
    """A refusal that somebody can act on; `str(error)` is shown as it stands, beside `field` when one is named."""

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


class NotFound(PortalError):
    """There is no such record, or not for this colleague: 404."""


class NotPermitted(PortalError):
    """The colleague's role does not allow it: 403."""


class Refused(PortalError):
    """A rule of the office forbids it as things stand: 422."""


class TooManyAttempts(PortalError):
    """Asked too often: 429. `seconds` is how long to wait."""

    def __init__(self, sentence: str, *, seconds: int) -> None:
        super().__init__(sentence)
        self.seconds = seconds
