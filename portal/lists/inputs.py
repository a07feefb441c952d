"""What a colleague may say about a list."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from portal.inputs import Checkbox, Input, ShortText, WholeNumber

LONGEST_QUERY = 1500
NOBODY = "nobody"   # as the choice of an agent: a choice of its own, so that nobody makes it by leaving the field alone


ChosenAgent = Annotated[WholeNumber, BeforeValidator(lambda text: "0" if text == NOBODY else text)]


class AssignmentInput(Input):
    """Whose the ticked records shall be: an agent's, or with 0 nobody's."""

    agent_id: ChosenAgent = Field(title="Agent")


class SavedViewInput(Input):
    """A name for the list as it is shown now; `query` is what stands behind the question mark of its address."""

    name: Annotated[ShortText, Field(max_length=40)] = Field(title="Name")
    query: Annotated[str, Field(max_length=LONGEST_QUERY)] = Field("", title="Address")
    shared: Checkbox = Field(False, title="For all colleagues")
