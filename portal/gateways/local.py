"""What stands in for a provider that is not configured: messages are kept where staff can read them, none is sent."""

from datetime import datetime

from portal.gateways.interface import Accepted, Capabilities, Kind, Outgoing, Report, Verdict


class Local:
    """Keeps every message. It counts as nothing sent, and the pages say so."""

    name = "local"
    capabilities = Capabilities(media="link", largest_media=2**40, per_second=10_000.0)

    def send(self, message: Outgoing) -> Accepted:
        """Keeps the message."""
        return Accepted(provider_id="", state="kept")

    def judge(self, code: str) -> Verdict:
        """There is nobody who could report an error."""
        return Verdict(Kind.PERMANENT, "The message could not be kept.")

    def ask(self, provider_id: str) -> Report | None:
        """Nobody is there to be asked."""
        return None

    def find(self, to: str, since: datetime) -> list[Report]:
        """Nobody is there to be asked."""
        return []
