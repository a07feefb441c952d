"""What the office calls the views, sources and states of documents."""

VIEWS = {
    "all": "All",
    "overdue": "Past their date",
    "archive": "Archive",
    "trash": "Trash",
}
NOTHING_THERE = {
    "all": "No document is kept yet. Choose files for a client, or drop them on a policy's page.",
    "overdue": "No document is kept longer than its date says.",
    "archive": "No document has been replaced by a newer one.",
    "trash": "The trash is empty. Documents put there can be restored.",
}
GAPS = {"policy": "Policies without a schedule", "kyc": "Clients without KYC"}
STATES = {
    "queued": ("Waiting", ""),
    "working": ("On its way", "info"),
    "done": ("Stored", "ok"),
    "failed": ("Failed", "bad"),
    "refused": ("Not accepted", "warn"),
    "cancelled": ("Cancelled", ""),
}
DOCUMENT_STATES = {
    "waiting": ("Being stored", "info"),
    "stored": ("Stored", "ok"),
    "archived": ("Archived", ""),
    "refused": ("Not accepted", "warn"),
}
STORES = {"local": "This machine", "drive": "Google Drive"}
LABELS = {
    "kind": "Type",
    "title": "Title",
    "member_id": "Member",
    "policy_id": "Policy",
    "retention_until": "Keep until",
}
