"""What may be entered for the masters (insurers, products, agents and others) and for the office itself."""

from typing import Annotated, Literal

from pydantic import Field

from portal.inputs import (
    Checkbox,
    EmailAddress,
    Gstin,
    Input,
    LongText,
    Money,
    Name,
    OfficeDate,
    PhoneNumber,
    Rate,
    RecordId,
    ShortText,
    Version,
    WholeNumber,
)

Line = Literal["health", "motor", "fire", "life", "travel", "other"]
VehicleClass = Literal["private car", "two-wheeler", "goods carriage", "passenger carriage", "miscellaneous"]
Years = Annotated[WholeNumber, Field(ge=1, le=20)]


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

    line: Line = Field(title="Line")
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


class VersionInput(Input):
    """The version of the record that somebody saw when pressing a button."""

    version: Version | None = None


class CompanyInput(Input):
    """The office as it appears on what it prints and sends."""

    version: Version | None = None
    name: Name = Field(title="Name of the agency")
    address: LongText | None = Field(None, title="Address")
    phone: PhoneNumber | None = Field(None, title="Phone")
    email: EmailAddress | None = Field(None, title="E-mail")
    gstin: Gstin | None = Field(None, title="GSTIN")


class BusinessInput(Input):
    """What the office settles for its own work: from when on something is work for today."""

    version: Version | None = None
    papers_days: Annotated[WholeNumber, Field(ge=0, le=60)] = Field(title="Days for papers")
    call_days: Annotated[WholeNumber, Field(ge=1, le=60)] = Field(title="Days before the end")
    call_premium: Money = Field(title="From this premium on")


class RuleInput(Input):
    """A dated rule of the trade: from when it holds and who says so."""

    valid_from: OfficeDate = Field(title="From")
    source: Annotated[ShortText, Field(min_length=5)] = Field(title="Source")
    is_late: Checkbox = Field(False, title="From a past day")


class GstRuleInput(RuleInput):
    """The GST of one part of the premium of a line."""

    line: Line = Field(title="Line")
    subtype: ShortText | None = Field(None, title="Kind")
    is_group: Checkbox = Field(False, title="Group business")
    part: Literal["main", "third_party"] = Field("main", title="Part")
    rate: Rate = Field(title="Rate")
    reason: ShortText = Field(title="Words")


class CommissionRuleInput(RuleInput):
    """What insurers pay for a line."""

    insurer: ShortText | None = Field(None, title="Insurer")
    line: Line = Field(title="Line")
    subtype: ShortText | None = Field(None, title="Kind")
    policy_year: Literal["first", "later"] | None = Field(None, title="Year")
    rate: Rate = Field(title="Rate on net and add-on")
    tp_rate: Rate | None = Field(None, title="Rate on third party")


class CommissionGstRuleInput(RuleInput):
    """Whether an insurer means its commission on business without GST inclusive of GST."""

    insurer: ShortText = Field(title="Insurer")
    includes_gst: Checkbox = Field(False, title="Inclusive of GST")
    gst_rate: Rate = Field(title="GST rate")


class GraceRuleInput(RuleInput):
    """What happens after a cover of a line has run out."""

    line: Line = Field(title="Line")
    premium_mode: Literal["half-yearly", "quarterly", "monthly"] | None = Field(None, title="Premium paid")
    grace_days: Annotated[WholeNumber, Field(le=365)] = Field(title="Days of grace")
    covers_grace: Checkbox = Field(False, title="Cover in grace")
    inspection: Checkbox = Field(False, title="Inspection")
    bonus_lost_days: Annotated[WholeNumber, Field(ge=1, le=3650)] | None = Field(None, title="Bonus lost after days")


class BonusRuleInput(RuleInput):
    """One step of the ladder of the no-claim bonus."""

    claim_free_years: Years = Field(title="Years without a claim")
    rate: Rate = Field(title="Bonus")


class TariffRuleInput(RuleInput):
    """One step of the third party tariff."""

    vehicle_class: VehicleClass = Field(title="Vehicle class")
    years: Annotated[WholeNumber, Field(ge=1, le=10)] = Field(title="Years")
    up_to: Annotated[WholeNumber, Field(ge=1, le=999999)] = Field(title="Up to cc or kg")
    premium: Annotated[Money, Field(gt=0)] = Field(title="Premium")


class MotorTermRuleInput(RuleInput):
    """How long the covers of a new vehicle run."""

    vehicle_class: VehicleClass = Field(title="Vehicle class")
    own_damage_years: Annotated[WholeNumber, Field(ge=1, le=10)] = Field(title="Own damage, years")
    third_party_years: Annotated[WholeNumber, Field(ge=1, le=10)] = Field(title="Third party, years")


class TdsRuleInput(RuleInput):
    """The tax that insurers keep back from commission."""

    payee: Literal["company", "other"] = Field(title="Paid to")
    rate: Rate = Field(title="Rate")
    threshold: Money = Field(title="Above, a year")


class RetentionRuleInput(RuleInput):
    """How long records are kept."""

    subject: Literal["policy", "claim", "kyc", "message", "audit"] = Field(title="Records")
    years: Annotated[WholeNumber, Field(ge=1, le=100)] = Field(title="Years")
    counted_from: ShortText = Field(title="Counted from")
