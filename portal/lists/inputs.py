"""What a colleague may say about a list."""

from typing import Annotated

from pydantic import Field

from portal.inputs import Checkbox, Input, ShortText

LONGEST_QUERY = 1500


class SavedViewInput(Input):
    """A name for the list as it is shown now; `query` is what stands behind the question mark of its address."""

    name: Annotated[ShortText, Field(max_length=40)] = Field(title="Name")
    query: Annotated[str, Field(max_length=LONGEST_QUERY)] = Field("", title="Address")
    shared: Checkbox = Field(False, title="For all colleagues")
