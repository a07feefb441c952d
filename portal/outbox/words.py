"""How the pages speak of messages: their states, channels and kinds."""

# Word, icon, tone. What a colleague has to do something about is bad, what only waits is not.
STATES: dict[str, tuple[str, str, str]] = {
    "queued": ("Waiting", "clock", "info"),
    "sending": ("On its way", "clock", "info"),
    "unclear": ("Unclear", "warn", "warn"),
    "accepted": ("With the provider", "clock", "info"),
    "sent": ("Sent", "ok", ""),
    "delivered": ("Delivered", "ok", "ok"),
    "read": ("Read", "ok", "ok"),
    "failed": ("Failed", "bad", "bad"),
    "kept": ("Kept, not sent", "mail", "warn"),
    "cancelled": ("Cancelled", "bad", ""),
    "expired": ("Too late", "clock", "warn"),
    "suppressed": ("Held back", "lock", "warn"),
}
STEPS = {
    "queued": "put into the queue", "accepted": "taken by the provider", "sent": "sent", "delivered": "delivered",
    "read": "read", "failed": "failed", "kept": "kept in the portal, not sent", "cancelled": "cancelled",
    "expired": "not sent: too late", "suppressed": "not sent", "refused": "not taken", "unclear": "outcome unclear",
    "judged": "failure judged", "left to staff": "left to staff",
}  # fmt: skip
SOURCES = {"portal": "Portal", "twilio": "Twilio", "meta": "WhatsApp", "smtp": "Mail server"}
PURPOSES = {"service": "Service", "marketing": "Promotion", "reply": "Answer"}
KINDS = {
    "image": "Picture", "document": "Document", "audio": "Voice message", "voice": "Voice message", "video": "Video",
    "sticker": "Sticker", "location": "Location", "contacts": "Contact", "reaction": "Reaction", "order": "Order",
    "unsupported": "A kind of message that WhatsApp does not pass on", "system": "Note from WhatsApp",
}  # fmt: skip
