"""What global search takes from its address."""

from typing import Annotated, Literal

from pydantic import Field

from portal.inputs import Input


class SearchInput(Input):
    """The text to look for, and the one kind to show more of."""

    q: Annotated[str, Field(max_length=200)] | None = None
    kind: Literal["clients", "members", "policies", "vehicles"] | None = None
