"""What the pages of today take from their address and their buttons."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from portal.inputs import Input, RecordId

KINDS = "renewal|call|payment|papers|message|task|birthday"
Item = Annotated[str, StringConstraints(pattern=rf"^({KINDS}):[1-9][0-9]{{0,17}}$")]


class TodayFilter(Input):
    """Whose book: one agent's, or everybody's."""

    agent_id: RecordId | None = Field(None, title="Agent")


class MarkInput(Input):
    """What is said about one piece of work: it is done, it is put aside for today, or it is work again."""

    item: Item = Field(title="Work")
    mark: Literal["done", "snoozed", "open"] = Field(title="Mark")
