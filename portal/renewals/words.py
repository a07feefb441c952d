"""What the office calls the views, stages and steps of renewals."""

from portal.formats import MONTHS
from portal.lists.service import Column

COLUMNS = (
    Column("client", "Client", "client_name"),
    Column("insurer", "Insurer", "insurer_short"),
    Column("product", "Product", "product_name", at_first=False),
    Column("agent", "Agent", "agent_name", at_first=False),
    Column("due", "Due", "due_on"),
    Column("gross", "Premium", "gross_premium"),
    Column("quoted", "Quoted", "quoted_premium", at_first=False),
    Column("bonus", "No-claim bonus", "no_claim_bonus"),
    Column("reminders", "Reminders", "reminders_sent"),
    Column("stage", "Stage", "stage"),
    Column("owner", "Looked after by", "owner_name"),
)
# The office's sheet of a month; what has no field is left empty, for its own marks on paper.
SHEET = (
    ("Date", "due_on"),
    ("Name", "client_name"),
    ("Status", None),
    ("R", None),
    ("Policy", "policy_number"),
    ("Group", "group_name"),
    ("Sub-Group", "subgroup"),
    ("Company", "insurer_short"),
    ("Remarks", "remarks"),
)
STAGES = {"due": "Due", "contacted": "Contacted", "quoted": "Quoted", "payment awaited": "Payment awaited"}
STAGE_CHIPS = {
    "due": "warn",
    "contacted": "info",
    "quoted": "info",
    "payment awaited": "info",
    "renewed": "ok",
    "lost": "",
}
VIEWS = {
    "open": "Overdue and next 60 days",
    "overdue": "Overdue, in grace or uninsured",
    "calls": "To call",
    "mine": "Mine",
    "snoozed": "Snoozed",
    "all": "All open",
    "renewed": "Renewed",
    "lost": "Lost",
}
# What a view without any renewal says.
NOTHING_THERE = {
    "open": "No policy is overdue or expires in the next 60 days.",
    "overdue": "No policy is overdue. Everything that ended was renewed or marked as lost.",
    "calls": "Nobody has to be called.",
    "mine": "No open renewal is yours.",
    "snoozed": "No renewal is snoozed.",
    "all": "No policy waits to be renewed.",
    "renewed": "No policy has been renewed yet.",
    "lost": "No renewal has been lost.",
}
OCCASIONS = {
    "before": "Before the policy ends",
    "grace": "Ended, in grace",
    "expired": "Ended, no cover",
    "uninsured": "Vehicle without cover",
    "bonus": "No-claim bonus about to be lost",
}
CHANNELS = {"whatsapp": "WhatsApp", "email": "E-mail"}
LABELS = {
    "stage": "Stage",
    "owner_id": "Looked after by",
    "quoted_premium": "Quoted premium",
    "snoozed_until": "Snoozed until",
    "note": "Note",
}


def month_name(month: str) -> str:
    """December 2026 for 2026-12."""
    year, number = month.split("-")
    return f"{MONTHS[int(number) - 1]} {year}"


def short_month(month: str) -> str:
    """Dec for 2026-12, with the year in January: the strip of months begins somewhere else each month."""
    year, number = month.split("-")
    return MONTHS[int(number) - 1][:3] + (f" {year}" if number == "01" else "")


def step_words(step: str) -> str:
    """A step of the ladder as people say it: "7 days before", "3 days after", "by hand"."""
    if not step.startswith("D"):
        return "by hand"
    days = int(step[1:])
    if days == 0:
        return "on the last day"
    return f"{abs(days)} {'day' if abs(days) == 1 else 'days'} {'before' if days < 0 else 'after'}"
