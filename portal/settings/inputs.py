"""What may be entered for the masters (insurers, products, agents and others) and for the office itself."""

from typing import Literal

from pydantic import Field

from portal.inputs import (
    Checkbox,
    EmailAddress,
    Gstin,
    Input,
    LongText,
    Name,
    PhoneNumber,
    RecordId,
    ShortText,
    Version,
)


class MasterInput(Input):
    """What all masters have: a name, and whether new policies may still name them."""

    version: Version | None = None
    name: Name = Field(title="Name")
    is_active: Checkbox = Field(False, title="In use")


class InsurerInput(MasterInput):
    """An insurance company."""

    short_name: ShortText | None = Field(None, title="Short name")
    irdai_number: ShortText | None = Field(None, title="IRDAI number")


class ProductInput(MasterInput):
    """A product; its line, kind and whether it is group business decide the form and the tax of its policies."""

    line: Literal["health", "motor", "fire", "life", "travel", "other"] = Field(title="Line")
    subtype: ShortText | None = Field(None, title="Kind")
    is_group: Checkbox = Field(False, title="Group business")
    insurer_id: RecordId | None = Field(None, title="Insurer")


class AgentInput(MasterInput):
    """Somebody who brings in business."""

    phone: PhoneNumber | None = Field(None, title="Phone")
    email: EmailAddress | None = Field(None, title="E-mail")


class TpaInput(MasterInput):
    """A third-party administrator, who handles health claims for insurers."""

    phone: PhoneNumber | None = Field(None, title="Phone")
    email: EmailAddress | None = Field(None, title="E-mail")


class HospitalInput(MasterInput):
    """A hospital that clients are treated in."""

    city: ShortText | None = Field(None, title="City")
    phone: PhoneNumber | None = Field(None, title="Phone")


class LostReasonInput(MasterInput):
    """Why business is lost."""


class DocumentTypeInput(MasterInput):
    """A kind of document, and what it is about."""

    concerns: Literal["policy", "person", "claim", "other"] = Field("policy", title="Belongs to")


class MergeInput(Input):
    """Two masters that are one: everything that names the first shall name the other."""

    version: Version
    into_id: RecordId = Field(title="Merge into")


class CompanyInput(Input):
    """The office as it appears on what it prints and sends."""

    version: Version | None = None
    name: Name = Field(title="Name of the agency")
    address: LongText | None = Field(None, title="Address")
    phone: PhoneNumber | None = Field(None, title="Phone")
    email: EmailAddress | None = Field(None, title="E-mail")
    gstin: Gstin | None = Field(None, title="GSTIN")
