"""What is entered to have a person erased."""

from pydantic import Field

from portal.inputs import Input, ShortText


class ErasureInput(Input):
    """Erasing a person: the client's number, typed by hand."""

    number: ShortText = Field(title="Number")
