"""The records that the API answers with: which columns of which view, and who may see them."""

from portal.api.shapes import COMPONENTS, Schema, Shape
from portal.settings.kinds import KINDS, Kind

_COMMISSION = tuple((name, "commission.read") for name in (
    "commission_rate", "commission_amount", "commission_received"))  # fmt: skip

CLIENT_SUMMARY = Shape(
    "ClientSummary", "client_list",
    ("client_id", "client_type", "name", "phone", "email", "city", "group_name", "agent_name", "whatsapp_opt_in",
     "live_policies", "gross_premium", "next_due", "version", "created_at", "deleted_at"),
    ("client_id", "name", "version"))  # fmt: skip
# PAN and GSTIN (which holds the PAN) in full are for those who may correct them; the pages mask them as well.
CLIENT = Shape(
    "Client", "client_page",
    ("client_id", "client_type", "name", "phone", "other_phone", "email", "date_of_birth", "pan", "gstin", "address",
     "city", "state", "pin", "group_name", "subgroup", "agent_id", "agent_name", "language", "whatsapp_opt_in",
     "whatsapp_opt_in_at", "email_opt_in", "notes", "live_policies", "gross_premium", "next_due", "version",
     "created_at", "updated_at"),
    ("client_id", "name", "version"), secret=(("pan", "clients.write"), ("gstin", "clients.write")))  # fmt: skip
MEMBER = Shape(
    "Member", "members",
    ("member_id", "client_id", "name", "relation", "date_of_birth", "gender", "phone", "nominee", "health_notes",
     "version"),
    ("member_id", "client_id", "name", "relation", "version"), secret=(("health_notes", "clients.write"),))  # fmt: skip
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
ENDORSEMENT = Shape(
    "Endorsement", "endorsements",
    ("endorsement_id", "policy_id", "kind", "endorsement_number", "effective_on", "description", "net_premium",
     "tp_premium", "gst_rate", "gst_tp_rate", "gst_reason", "gst_amount", "gross_premium", "commission_amount",
     "before", "after", "created_at", "withdrawn_at"),
    ("endorsement_id", "policy_id", "kind", "effective_on"), secret=_COMMISSION[1:2])  # fmt: skip
PAYMENT = Shape(
    "Payment", "payments",
    ("payment_id", "policy_id", "paid_on", "amount", "mode", "reference", "ifsc", "instalment", "created_at"),
    ("payment_id", "policy_id", "paid_on", "amount", "mode"))  # fmt: skip
DOCUMENT = Shape(
    "Document", "document_list",
    ("document_id", "client_id", "client_name", "member_id", "member_name", "policy_id", "policy_number",
     "claim_number", "kind", "kind_name", "title", "file_name", "size", "sha256", "pages", "media_type", "store",
     "state", "source", "uploaded_by_name", "retention_until", "replaces_id", "replaced_by_id", "version",
     "created_at", "updated_at", "deleted_at"),
    ("document_id", "client_id", "kind", "file_name", "state", "version"))  # fmt: skip
DOCUMENT_LINK = Shape(
    "DocumentLink", "documents", (), (), extra=(("url", "string"), ("valid_until", "string")))
_REFUSED: Schema = {"type": "array", "items": {"type": "object", "properties": {
    "file_name": {"type": "string"}, "reason": {"type": "string"}}}}  # fmt: skip
UPLOADED = Shape("UploadedFiles", "file_batches", (), (), extra=(
    ("batch_id", "string"), ("files", "integer"), ("document_ids", {"type": "array", "items": {"type": "integer"}}),
    ("refused", _REFUSED), ("status", "string")))  # fmt: skip
_FILE_COUNTS = ("total", "queued", "working", "done", "failed", "refused", "cancelled", "bytes", "bytes_sent")
_FILE_ROW: Schema = {"type": "object", "properties": {
    "file_id": {"type": "integer"}, "file_name": {"type": "string"}, "state": {"type": "string"},
    "document_id": {"type": ["integer", "null"]}, "error": {"type": ["string", "null"]}}}  # fmt: skip
FILE_BATCH = Shape(
    "FileBatch", "file_batches", ("batch_id", "direction", "created_at", "cancelled_at"), ("batch_id",),
    extra=(*((name, "integer") for name in _FILE_COUNTS), ("finished", "boolean"),
           ("files", {"type": "array", "items": _FILE_ROW}), ("next_after", {"type": ["integer", "null"]})),
)  # fmt: skip
TASK = Shape(
    "Task", "tasks",
    ("task_id", "name", "state", "attempts", "max_attempts", "result", "batch_id", "record_type", "record_id",
     "created_at", "run_at", "started_at", "finished_at"),
    ("task_id", "name", "state", "attempts"), extra=(("error", {"type": ["string", "null"]}),))  # fmt: skip
_LEFT_OUT: Schema = {"type": "array", "items": {"type": "object", "properties": {
    "record_type": {"type": "string"}, "record_id": {"type": "string"}, "reason": {"type": "string"}}}}  # fmt: skip
BATCH = Shape(
    "Batch", "batch_progress",
    ("batch_id", "kind", "title", "state", "total", "waiting", "running", "done", "failed", "cancelled",
     "skipped_count", "created_at"),
    ("batch_id", "kind", "title", "state", "total"),
    extra=(("failures", {"type": "array", "items": {"$ref": f"{COMPONENTS}Task"}}), ("skipped", _LEFT_OUT)),
)  # fmt: skip
BULK_JOB = Shape("BulkJob", "batches", ("batch_id",), ("batch_id",), extra=(
    ("queued", "integer"), ("skipped", {"type": "array", "items": {"type": "object", "properties": {
        "policy_id": {"type": "integer"}, "reason": {"type": "string"}}}})))  # fmt: skip
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
_FOUND_MEMBER = Shape(
    "FoundMember", "member_list",
    ("member_id", "client_id", "client_name", "name", "relation", "phone", "version"),
    ("member_id", "client_id", "name", "version"))  # fmt: skip
_FOUND_VEHICLE = Shape(
    "FoundVehicle", "vehicle_list",
    ("policy_id", "vehicle_number", "make_model", "client_id", "client_name", "policy_number", "policy_to", "state"),
    ("policy_id", "client_id", "state"))  # fmt: skip
FOUND = Shape(
    "Found", "users", (), (), extra=(("more", {"type": "array", "items": {"type": "string"}}),),
    lists=(("clients", CLIENT_SUMMARY), ("members", _FOUND_MEMBER), ("policies", POLICY_SUMMARY),
           ("vehicles", _FOUND_VEHICLE)))  # fmt: skip


def master(kind: Kind) -> Shape:
    """One master of a kind."""
    columns = ("short_name", "irdai_number", "line", "subtype", "is_group", "insurer_id", "insurer_name", "city",
               "phone", "email", "key", "concerns")  # fmt: skip
    fields = {*kind.form.model_fields, *kind.columns, *(("key",) if kind.slug == "document-types" else ())}
    return Shape("".join(word.capitalize() for word in kind.word.split()), kind.relation,
                 (kind.key, "name", *(name for name in columns if name in fields), "is_active", "version"),
                 (kind.key, "name", "is_active", "version"))  # fmt: skip


MASTERS = {slug: master(kind) for slug, kind in KINDS.items()}
