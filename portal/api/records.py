"""The records that the API answers with: which columns of which view, and who may see them."""

from portal.api.shapes import Shape
from portal.settings.kinds import KINDS, Kind

_COMMISSION = tuple((name, "commission.read") for name in (
    "commission_rate", "commission_amount", "commission_received"))  # fmt: skip

CLIENT_SUMMARY = Shape(
    "ClientSummary", "client_list",
    ("client_id", "client_type", "name", "phone", "email", "city", "group_name", "agent_name", "whatsapp_opt_in",
     "live_policies", "gross_premium", "next_due", "version", "created_at", "deleted_at"),
    ("client_id", "name", "version"))  # fmt: skip
# The PAN in full is for those who may correct it; the pages mask it as well.
CLIENT = Shape(
    "Client", "client_page",
    ("client_id", "client_type", "name", "phone", "other_phone", "email", "date_of_birth", "pan", "gstin", "address",
     "city", "state", "pin", "group_name", "subgroup", "agent_id", "agent_name", "language", "whatsapp_opt_in",
     "whatsapp_opt_in_at", "email_opt_in", "notes", "live_policies", "gross_premium", "next_due", "version",
     "created_at", "updated_at"),
    ("client_id", "name", "version"), secret=(("pan", "clients.write"),))  # fmt: skip
MEMBER = Shape(
    "Member", "members",
    ("member_id", "client_id", "name", "relation", "date_of_birth", "gender", "phone", "nominee", "version"),
    ("member_id", "client_id", "name", "relation", "version"))  # fmt: skip
POLICY_SUMMARY = Shape(
    "PolicySummary", "policy_list",
    ("policy_id", "client_id", "client_name", "member_name", "insurer_id", "insurer_name", "product_id", "product_name",
     "line", "agent_id", "agent_name", "policy_number", "asset", "state", "status", "waiting_for", "business_type",
     "policy_from", "policy_to", "due_on", "one_time", "payment_date", "gross_premium", "commission_amount",
     "commission_received", "sum_insured", "group_name", "renewed_from_id", "version", "created_at"),
    ("policy_id", "client_id", "line", "state", "version"), secret=_COMMISSION[1:])  # fmt: skip
POLICY = Shape(
    "Policy", "policy_page",
    ("policy_id", "client_id", "client_name", "member_id", "member_name", "insurer_id", "insurer_name", "product_id",
     "product_name", "agent_id", "agent_name", "line", "policy_number", "state", "status", "waiting_for",
     "business_type", "policy_from", "policy_to", "due_on", "one_time", "payment_date", "payment_details",
     "net_premium", "addon_premium", "tp_premium", "gst_rate", "gst_tp_rate", "gst_reason", "gst_amount",
     "gross_premium", "commission_rate", "commission_amount", "commission_received", "sum_insured", "asset",
     "group_name", "subgroup", "remarks", "renewed_from_id", "lost_reason", "cancelled_on", "version", "created_at",
     "updated_at"),
    ("policy_id", "client_id", "line", "state", "version"),
    secret=_COMMISSION, extra=(("details", "object"),))  # fmt: skip
USER = Shape(
    "User", "users",
    ("user_id", "email", "name", "role", "phone", "is_active", "must_change_password", "last_sign_in_at", "version",
     "created_at"),
    ("user_id", "email", "name", "role", "is_active", "version"))  # fmt: skip
# The one answer that holds a one-time password; it is stored nowhere.
USER_WITH_PASSWORD = Shape(
    "UserWithPassword", "users", USER.columns, USER.always, extra=(("one_time_password", "string"),))
AUDIT_ENTRY = Shape(
    "AuditEntry", "audit_trail",
    ("audit_id", "happened_at", "user_id", "user_name", "token_id", "token_name", "action", "record_type", "record_id",
     "client_id", "before", "after", "request_id", "ip"),
    ("audit_id", "happened_at", "action", "record_type", "record_id"))  # fmt: skip
_VIEWS = ("live", "expiring", "overdue", "unpaid", "pending")
COUNTS = Shape("TodayCounts", "policy_counts", _VIEWS, _VIEWS)
WHO = Shape(
    "Who", "users", ("user_id", "name", "email", "role"), ("user_id", "name", "email", "role"),
    extra=(("permissions", "array"),))  # fmt: skip
FOUND = Shape("Found", "users", (), (), extra=tuple(
    (kind, "array") for kind in ("clients", "members", "policies", "vehicles", "more")))  # fmt: skip


def master(kind: Kind) -> Shape:
    """One master of a kind."""
    columns = ("short_name", "irdai_number", "line", "subtype", "is_group", "insurer_id", "insurer_name", "city",
               "phone", "email", "key", "concerns")  # fmt: skip
    fields = {*kind.form.model_fields, *kind.columns, *(("key",) if kind.slug == "document-types" else ())}
    return Shape("".join(word.capitalize() for word in kind.word.split()), kind.relation,
                 (kind.key, "name", *(name for name in columns if name in fields), "is_active", "version"),
                 (kind.key, "name", "is_active", "version"))  # fmt: skip


MASTERS = {slug: master(kind) for slug, kind in KINDS.items()}
