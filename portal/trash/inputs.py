"""What is asked of the trash."""

from typing import Literal

from pydantic import Field

from portal.inputs import Input, ShortText

Kind = Literal["client", "policy", "document"]


class TrashFilter(Input):
    """What the trash may be narrowed by."""

    kind: Kind | None = Field(None, title="Kind")


class EraseInput(Input):
    """Erasing for good: the number of the record, typed by hand."""

    number: ShortText = Field(title="Number")
