"""What the office calls the lines, views, states and fields of policies."""

from portal.lists.service import Column

LINES = {
    "health": "Health",
    "motor": "Motor",
    "fire": "Fire and property",
    "life": "Life",
    "travel": "Travel",
    "other": "Other",
}
LINE_HINTS = {
    "health": "Floater, individual, top-up and accident covers",
    "motor": "Cars, two-wheelers and commercial vehicles",
    "fire": "Factory, shop, office and home",
    "life": "Term, savings and pension plans",
    "travel": "Trips in India and abroad",
    "other": "Marine, liability and the rest",
}
VIEWS = {
    "all": "All",
    "live": "Live",
    "expiring": "Expiring in 30 days",
    "week": "Due in 7 days",
    "overdue": "In grace or overdue",
    "undocumented": "No document",
    "unpaid": "Payment pending",
    "commission": "Commission unpaid",
    "pending": "Pending papers",
    "waiting": "Waiting too long",
    "issued": "Issued",
    "ended": "Renewed or ended",
}
# What a view without any policy says.
NOTHING_THERE = {
    "all": "There is no policy yet.",
    "live": "No policy is live.",
    "expiring": "No policy expires in the next 30 days.",
    "week": "No policy is due in the next 7 days.",
    "overdue": "No policy is overdue. Everything that ended was renewed or marked as lost.",
    "undocumented": "Every live policy has a document.",
    "unpaid": "Every live policy is paid.",
    "commission": "Every commission is received.",
    "pending": "No policy is waiting for papers.",
    "waiting": "No policy has waited too long for its papers.",
    "issued": "No policy has been issued yet.",
    "ended": "No policy has been renewed, lost or cancelled.",
}
COLUMNS = (
    Column("client", "Client", "client_name"),
    Column("insurer", "Insurer", "insurer_name"),
    Column("product", "Product", "product_name"),
    Column("agent", "Agent", "agent_name", at_first=False),
    Column("kind", "Business", "business_type", at_first=False),
    Column("insured", "Sum insured", "sum_insured", at_first=False),
    Column("start", "Start", "policy_from"),
    Column("end", "End", "policy_to"),
    Column("gross", "Gross", "gross_premium"),
    Column("commission", "Commission", "commission_amount", at_first=False, permission="commission.read"),
    Column("paid", "Paid on", "payment_date", at_first=False),
    Column("status", "Status", "status"),
)
STATUS_CHIPS = {
    "active": "ok",
    "expiring soon": "warn",
    "in grace": "bad",
    "expired": "bad",
    "payment pending": "warn",
    "pending": "info",
    "renewed": "",
    "ended": "",
    "lost": "",
    "cancelled": "",
}
WAITING_FOR = ("payment", "policy document", "inspection", "KYC", "proposal")
PLANS = {
    "floater": "Floater",
    "individual": "Individual",
    "top-up floater": "Top-up floater",
    "top-up individual": "Top-up individual",
}
VEHICLE_CLASSES = {
    "private car": "Private car",
    "two-wheeler": "Two-wheeler",
    "goods carriage": "Goods carriage",
    "passenger carriage": "Passenger carriage",
    "miscellaneous": "Miscellaneous",
}
COVERS = {"package": "Package", "own damage only": "Own damage only", "third party only": "Third party only"}
PREMIUM_MODES = {
    "single": "Single",
    "yearly": "Yearly",
    "half-yearly": "Half-yearly",
    "quarterly": "Quarterly",
    "monthly": "Monthly",
}
HEALTH_PREMIUM_MODES = {mode: label for mode, label in PREMIUM_MODES.items() if mode != "single"}
BUSINESS_TYPES = {"new": "New", "renewal": "Renewal", "roll over": "Roll over"}
ENDORSEMENTS = {
    "correction": "Correction",
    "sum insured": "Change of sum insured",
    "asset": "Change of vehicle or asset",
    "person added": "Addition of a person",
    "person removed": "Removal of a person",
    "cancellation": "Cancellation",
}
ENDORSEMENT_HINTS = {
    "correction": "A name, number or address that was wrong",
    "sum insured": "More or less cover for the rest of the term",
    "asset": "Another vehicle or place takes its place",
    "person added": "A spouse, a child, somebody new",
    "person removed": "Somebody who is no longer insured",
}
PAYMENT_MODES = {
    "UPI": "UPI",
    "bank transfer": "Bank transfer",
    "cheque": "Cheque",
    "card": "Card",
    "insurer's link": "Insurer's payment link",
    "auto-debit": "Auto-debit",
    "cash": "Cash",
}
ACTIONS = {
    "endorse": "Endorsed",
    "withdraw": "Endorsement taken back",
    "ask for papers": "Client asked for papers",
    "pay": "Payment noted",
    "unpay": "Payment taken back",
    "take over": "Taken over",
    "receive": "Paper arrived",
    "add": "Added",
    "change": "Changed",
    "complete": "Completed",
    "renew": "Added as renewal",
    "renewed": "Renewed",
    "cancel": "Cancelled",
    "lose": "Marked as lost",
    "delete": "Deleted",
    "restore": "Restored",
    "reopen": "Opened again",
}
COMMON_LABELS = {
    "policy_number": "Policy number",
    "insurer_id": "Insurer",
    "product_id": "Product",
    "member_id": "Member",
    "agent_id": "Agent",
    "business_type": "Business type",
    "policy_from": "Start",
    "policy_to": "End",
    "one_time": "One-time policy",
    "waiting_for": "Waiting for",
    "sum_insured": "Sum insured",
    "asset": "Asset",
    "net_premium": "Net premium",
    "addon_premium": "Add-on premium",
    "tp_premium": "Third-party premium",
    "gst_rate": "GST rate",
    "gst_tp_rate": "GST rate on third party",
    "gst_reason": "Reason for this GST rate",
    "payment_date": "Payment date",
    "payment_details": "Payment details",
    "group_name": "Group",
    "subgroup": "Sub-group",
    "remarks": "Remarks",
}
# What the trail of changes shows beside the fields of the form.
OTHER_LABELS = {
    "endorsement": "Endorsement",
    "endorsed_premium": "Premium of the endorsement",
    "person_added": "Person added",
    "person_removed": "Person removed",
    "person_name": "Name of the person",
    "paid_on": "Paid on",
    "amount": "Amount",
    "mode": "How",
    "reference": "Reference",
    "instalment": "Instalment",
    "owner_name": "Looked after by",
    "insurer_name": "Insurer",
    "product_name": "Product",
    "agent_name": "Agent",
    "member_name": "Member",
    "state": "State",
    "due_on": "Due",
    "gross_premium": "Gross premium",
    "lost_reason": "Reason",
    "cancelled_on": "Cancelled on",
}
COMMISSION_LABELS = {
    "commission_rate": "Commission rate",
    "commission_tp_rate": "Commission rate on third party",
    "commission_amount": "Commission",
    "commission_received": "Commission received",
}
LINE_LABELS = {
    "health": {
        "plan": "Plan",
        "floater_sum_insured": "Floater sum insured",
        "floater_bonus": "Floater bonus",
        "floater_deductible": "Floater deductible",
        "premium_mode": "Premium paid",
        "persons": "Insured persons",
    },
    "motor": {
        "vehicle_class": "Vehicle class",
        "cover": "Cover",
        "vehicle_number": "Vehicle number",
        "make_model": "Make and model",
        "chassis_number": "Chassis number",
        "engine_number": "Engine number",
        "year_of_manufacture": "Year of manufacture",
        "cubic_capacity": "Cubic capacity",
        "gross_weight": "Gross weight",
        "insured_declared_value": "Insured declared value",
        "no_claim_bonus": "No-claim bonus",
        "own_damage_to": "Own damage until",
        "third_party_to": "Third party until",
    },
    "fire": {
        "building": "Building",
        "plant_and_machinery": "Plant and machinery",
        "furniture_and_fittings": "Furniture and fittings",
        "stocks": "Stocks",
        "electrical_installations": "Electrical installations",
        "risk_address": "Address of the risk",
        "occupancy": "Occupancy",
    },
    "life": {
        "premium_mode": "Premium paid",
        "policy_term_years": "Policy term in years",
        "premium_term_years": "Premium paying term in years",
        "maturity_date": "Maturity date",
        "nominee": "Nominee",
    },
    "travel": {
        "destination": "Destination",
        "trip_from": "Trip from",
        "trip_to": "Trip to",
        "travellers": "Travellers",
    },
}


def labels_of(line: str, *, with_commission: bool) -> dict[str, str]:
    """The name of every field of a line's form, in the order of the form."""
    return {**COMMON_LABELS, **(COMMISSION_LABELS if with_commission else {}), **LINE_LABELS.get(line, {})}
