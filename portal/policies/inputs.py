"""What staff may enter about a policy: one form per line, and the small forms that end a term."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from portal.formats import parse_money
from portal.inputs import (
    Checkbox,
    Ifsc,
    Input,
    LongText,
    Money,
    Name,
    OfficeDate,
    PastDate,
    Rate,
    RecordId,
    ReferenceText,
    ShortText,
    VehicleNumber,
    Version,
    WholeNumber,
)

Line = Literal["health", "motor", "fire", "life", "travel", "other"]
BusinessType = Literal["new", "renewal", "roll over"]
WaitingFor = Literal["payment", "policy document", "inspection", "KYC", "proposal"]
View = Literal[
    "all", "live", "expiring", "week", "overdue", "undocumented", "unpaid", "commission", "pending", "waiting",
    "issued", "ended",
]  # fmt: skip

VehicleClass = Literal["private car", "two-wheeler", "goods carriage", "passenger carriage", "miscellaneous"]
MotorCover = Literal["package", "own damage only", "third party only"]
CubicCapacity = Annotated[WholeNumber, Field(le=20000)]
GrossWeight = Annotated[WholeNumber, Field(le=200000)]
# Three premiums with their tax must fit into one amount of the database; ₹999 crore is beyond any retail policy.
PremiumAmount = Annotated[Money, Field(le=Decimal("9999999999.99"))]


Gap = Annotated[str, StringConstraints(pattern=r"^(kyc|policy):[A-Z0-9-]{1,20}$")]


def _words_of(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    """One ticked box arrives as a text, several as a list, none not at all."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


class InsuredPerson(Input):
    """One person of a health policy: a member of the client, or just a name."""

    member_id: RecordId | None = Field(None, title="Member")
    name: Name | None = Field(None, title="Name")
    sum_insured: Money | None = Field(None, title="Sum insured")
    bonus: Money | None = Field(None, title="Bonus")
    deductible: Money | None = Field(None, title="Deductible")


class PremiumParts(Input):
    """What is charged, taxed and earned: the same in every form that asks for a premium."""

    net_premium: PremiumAmount | None = Field(None, title="Net premium")
    addon_premium: PremiumAmount | None = Field(None, title="Add-on premium")
    tp_premium: PremiumAmount | None = Field(None, title="Third-party premium")
    gst_rate: Rate | None = Field(None, title="GST rate")
    gst_tp_rate: Rate | None = Field(None, title="GST rate on third party")
    gst_reason: ShortText | None = Field(None, title="Reason for this GST rate")
    commission_rate: Rate | None = Field(None, title="Commission rate")
    commission_tp_rate: Rate | None = Field(None, title="Commission rate on third party")


class PremiumInput(PremiumParts):
    """What the premium is worked out from; read alone, to recalculate a form that is not complete yet."""

    product_id: RecordId | None = Field(None, title="Product")
    insurer_id: RecordId | None = Field(None, title="Insurer")
    policy_from: OfficeDate | None = Field(None, title="Start")
    business_type: BusinessType = Field("new", title="Business type")
    vehicle_class: VehicleClass | None = Field(None, title="Vehicle class")
    cover: MotorCover | None = Field(None, title="Cover")
    cubic_capacity: CubicCapacity | None = Field(None, title="Cubic capacity")
    gross_weight: GrossWeight | None = Field(None, title="Gross weight")
    is_new: Checkbox = Field(False, title="New vehicle")


class PolicyHead(Input):
    """Who, what and when: the first part of every form of a policy."""

    version: Version | None = None
    product_id: RecordId = Field(title="Product")
    insurer_id: RecordId = Field(title="Insurer")
    agent_id: RecordId | None = Field(None, title="Agent")
    member_id: RecordId | None = Field(None, title="Member")
    policy_number: ReferenceText | None = Field(None, title="Policy number")
    waiting_for: Annotated[list[WaitingFor], BeforeValidator(_as_list)] = Field([], title="Waiting for")
    business_type: BusinessType = Field("new", title="Business type")
    policy_from: OfficeDate = Field(title="Start")
    policy_to: OfficeDate | None = Field(None, title="End")
    one_time: Checkbox = Field(False, title="One-time policy")
    payment_date: OfficeDate | None = Field(None, title="Payment date")
    payment_details: ReferenceText | None = Field(None, title="Payment details")


class PolicyInput(PremiumParts, PolicyHead):
    """What every policy has, whatever its line."""

    commission_amount: PremiumAmount | None = Field(None, title="Commission")
    commission_received: Checkbox = Field(False, title="Commission received")
    sum_insured: Money | None = Field(None, title="Sum insured")
    asset: ShortText | None = Field(None, title="Asset")
    group_name: ShortText | None = Field(None, title="Group")
    subgroup: ShortText | None = Field(None, title="Sub-group")
    remarks: LongText | None = Field(None, title="Remarks")

    @field_validator("policy_number")
    @classmethod
    def _has_letters_or_digits(cls, number: str | None) -> str | None:
        if number is not None and not any(character.isalnum() for character in number):
            raise ValueError("Write the number as it stands on the policy, with letters or digits.")
        return number

    @field_validator("policy_to")
    @classmethod
    def _ends_after_start(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("policy_from")
        if end is not None and start is not None and end < start:
            raise ValueError("The end lies before the start. Please check both dates.")
        return end


class HealthInput(PolicyInput):
    """Health: the plan and the insured persons."""

    plan: Literal["floater", "individual", "top-up floater", "top-up individual"] = Field("floater", title="Plan")
    floater_sum_insured: Money | None = Field(None, title="Floater sum insured")
    floater_bonus: Money | None = Field(None, title="Floater bonus")
    floater_deductible: Money | None = Field(None, title="Floater deductible")
    premium_mode: Literal["yearly", "half-yearly", "quarterly", "monthly"] = Field("yearly", title="Premium paid")
    persons: list[InsuredPerson] = Field([], title="Insured persons", max_length=100)


class MotorInput(PolicyInput):
    """Motor: the vehicle, its value, and the ends of own damage and third party where they differ from the policy's."""

    vehicle_class: VehicleClass = Field("private car", title="Vehicle class")
    cover: MotorCover = Field("package", title="Cover")
    is_new: Checkbox = Field(False, title="New vehicle")
    vehicle_number: VehicleNumber | None = Field(None, title="Vehicle number")
    chassis_number: ReferenceText | None = Field(None, title="Chassis number")
    engine_number: ReferenceText | None = Field(None, title="Engine number")
    make_model: ShortText | None = Field(None, title="Make and model")
    year_of_manufacture: Annotated[WholeNumber, Field(ge=1950, le=2100)] | None = Field(
        None, title="Year of manufacture"
    )
    cubic_capacity: CubicCapacity | None = Field(None, title="Cubic capacity")
    gross_weight: GrossWeight | None = Field(None, title="Gross weight")
    insured_declared_value: Money | None = Field(None, title="Insured declared value")
    no_claim_bonus: Rate | None = Field(None, title="No-claim bonus")
    own_damage_to: OfficeDate | None = Field(None, title="Own damage until")
    third_party_to: OfficeDate | None = Field(None, title="Third party until")

    @field_validator("own_damage_to", "third_party_to")
    @classmethod
    def _not_before_start(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("policy_from")
        if end is not None and start is not None and end < start:
            raise ValueError("This cover would end before the policy starts. Please check the date.")
        return end


class FireInput(PolicyInput):
    """Fire and property: what is insured for how much, and where."""

    building: Money | None = Field(None, title="Building")
    plant_and_machinery: Money | None = Field(None, title="Plant and machinery")
    furniture_and_fittings: Money | None = Field(None, title="Furniture and fittings")
    stocks: Money | None = Field(None, title="Stocks")
    electrical_installations: Money | None = Field(None, title="Electrical installations")
    risk_address: LongText | None = Field(None, title="Address of the risk")
    occupancy: ShortText | None = Field(None, title="Occupancy")


class LifeInput(PolicyInput):
    """Life: how often and how long premiums are paid."""

    premium_mode: Literal["single", "yearly", "half-yearly", "quarterly", "monthly"] = Field(
        "yearly", title="Premium paid"
    )
    policy_term_years: Annotated[WholeNumber, Field(ge=1, le=100)] | None = Field(None, title="Policy term in years")
    premium_term_years: Annotated[WholeNumber, Field(ge=1, le=100)] | None = Field(
        None, title="Premium paying term in years"
    )
    maturity_date: OfficeDate | None = Field(None, title="Maturity date")
    nominee: ShortText | None = Field(None, title="Nominee")


class TravelInput(PolicyInput):
    """Travel: where, when, how many."""

    destination: ShortText | None = Field(None, title="Destination")
    trip_from: OfficeDate | None = Field(None, title="Trip from")
    trip_to: OfficeDate | None = Field(None, title="Trip to")
    travellers: Annotated[WholeNumber, Field(ge=1, le=500)] | None = Field(None, title="Travellers")

    @field_validator("trip_to")
    @classmethod
    def _returns_after_leaving(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("trip_from")
        if end is not None and start is not None and end < start:
            raise ValueError("The trip would end before it starts. Please check both dates.")
        return end


FORMS: dict[str, type[PolicyInput]] = {
    "health": HealthInput,
    "motor": MotorInput,
    "fire": FireInput,
    "life": LifeInput,
    "travel": TravelInput,
    "other": PolicyInput,
}


class CancellationDay(Input):
    """The day of a cancellation, for the refund that is suggested while the form is not sent yet."""

    cancelled_on: OfficeDate | None = None


class CancellationInput(Input):
    """A term that ends early."""

    version: Version
    cancelled_on: OfficeDate = Field(title="Cancelled on")
    reason: ShortText = Field(title="Reason")
    endorsement_number: ReferenceText | None = Field(None, title="Endorsement number")
    refund_premium: PremiumAmount | None = Field(None, title="Refund")
    refund_tp_premium: PremiumAmount | None = Field(None, title="Refund of third party")


class LossInput(Input):
    """A term that will not be renewed with us, for one of the lost reasons of the masters, by its name."""

    version: Version
    reason: ShortText = Field(title="Reason")
    remark: ShortText | None = Field(None, title="Remark")


class VersionInput(Input):
    """The version of the record that somebody saw when pressing a button."""

    version: Version


class RenewalWish(Input):
    """What of the form of a renewal decides on advice about it."""

    policy_from: OfficeDate | None = None
    no_claim_bonus: Rate | None = None
    claimed: Checkbox = False


class ArrivalInput(VersionInput):
    """One thing that a pending policy waited for, and that has come."""

    thing: WaitingFor = Field(title="What arrived")


class PendingFilter(Input):
    """What the list of pending policies may be narrowed by."""

    waiting: Literal[WaitingFor, "nothing"] | None = Field(None, title="Waiting for")
    mine: Checkbox = Field(False, title="Mine")


class PolicyFilter(Input):
    """What the list of policies may be narrowed by."""

    view: View = Field("all", title="View")
    q: ReferenceText | None = Field(None, title="Number, asset or client")
    client_id: ShortText | None = Field(None, title="Client")
    insurer_id: RecordId | None = Field(None, title="Insurer")
    agent_id: RecordId | None = Field(None, title="Agent")
    line: Line | None = Field(None, title="Line")
    date_from: OfficeDate | None = Field(None, title="Ends from")
    date_to: OfficeDate | None = Field(None, title="Ends until")
    start_from: OfficeDate | None = Field(None, title="Starts from")
    start_to: OfficeDate | None = Field(None, title="Starts until")


EndorsementKind = Literal["correction", "sum insured", "asset", "person added", "person removed"]
PaymentMode = Literal["UPI", "bank transfer", "cheque", "card", "insurer's link", "auto-debit", "cash"]


def _signed(value: Any) -> Any:
    return parse_money(value, negative=True) if isinstance(value, str) else value


SignedMoney = Annotated[Decimal, BeforeValidator(_signed), Field(max_digits=14, decimal_places=2)]


class EndorsementInput(Input):
    """An endorsement of the insurer. Of the values at the end, those that its kind may change are taken."""

    version: Version
    kind: EndorsementKind = Field(title="Kind")
    endorsement_number: ReferenceText | None = Field(None, title="Endorsement number")
    effective_on: OfficeDate = Field(title="Effective from")
    description: ShortText | None = Field(None, title="What it says")
    net_premium: SignedMoney | None = Field(None, title="Additional premium")
    tp_premium: SignedMoney | None = Field(None, title="Additional third-party premium")
    gst_rate: Rate | None = Field(None, title="GST rate")
    sum_insured: Money | None = Field(None, title="Sum insured")
    asset: ShortText | None = Field(None, title="Asset")
    floater_sum_insured: Money | None = Field(None, title="Floater sum insured")
    insured_declared_value: Money | None = Field(None, title="Insured declared value")
    vehicle_number: VehicleNumber | None = Field(None, title="Vehicle number")
    make_model: ShortText | None = Field(None, title="Make and model")
    chassis_number: ReferenceText | None = Field(None, title="Chassis number")
    engine_number: ReferenceText | None = Field(None, title="Engine number")
    building: Money | None = Field(None, title="Building")
    plant_and_machinery: Money | None = Field(None, title="Plant and machinery")
    furniture_and_fittings: Money | None = Field(None, title="Furniture and fittings")
    stocks: Money | None = Field(None, title="Stocks")
    electrical_installations: Money | None = Field(None, title="Electrical installations")
    risk_address: LongText | None = Field(None, title="Address of the risk")
    occupancy: ShortText | None = Field(None, title="Occupancy")
    nominee: ShortText | None = Field(None, title="Nominee")
    destination: ShortText | None = Field(None, title="Destination")
    person_id: RecordId | None = Field(None, title="Person")
    person_name: Name | None = Field(None, title="Name")
    person_member_id: RecordId | None = Field(None, title="Member")
    person_sum_insured: Money | None = Field(None, title="Sum insured of the person")


class PaymentInput(Input):
    """Money that came in for a policy."""

    paid_on: PastDate = Field(title="Paid on")
    amount: Annotated[Money, Field(gt=0)] = Field(title="Amount")
    mode: PaymentMode = Field(title="How")
    reference: ReferenceText | None = Field(None, title="Reference")
    ifsc: Ifsc | None = Field(None, title="IFSC of the bank")
    instalment: Annotated[WholeNumber, Field(ge=1, le=60)] | None = Field(None, title="Instalment")


class KycRequestInput(Input):
    """A confirmed request for KYC papers: the rows of its preview, and the preview's own key."""

    gaps: Annotated[list[Gap], BeforeValidator(_words_of), Field(min_length=1, max_length=1000)] = Field(title="Rows")
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
