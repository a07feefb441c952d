"""Which way a channel goes: the configured provider, else the one that keeps everything here."""

import threading

from config import Settings, settings
from portal.gateways.interface import Gateway
from portal.gateways.local import Local
from portal.gateways.mail import Mail
from portal.gateways.whatsapp_meta import Meta
from portal.gateways.whatsapp_twilio import Twilio

_lock = threading.Lock()
_made: dict[str, Gateway] = {}
_made_of: Settings | None = None


def gateway_for(channel: str) -> Gateway:
    """The gateway of "whatsapp" or "email", made once per process. Of two WhatsApp providers Twilio is used."""
    global _made_of  # noqa: PLW0603 - gateways belong to the settings they were made of
    chosen = settings()
    with _lock:
        if _made_of is not chosen:
            _made.clear()
            _made_of = chosen
        if channel not in _made:
            _made[channel] = _make(channel, chosen)
        return _made[channel]


def _make(channel: str, chosen: Settings) -> Gateway:
    if channel == "email":
        return Mail(chosen) if chosen.uses("smtp") else Local()
    if chosen.uses("twilio"):
        return Twilio(chosen)
    return Meta(chosen) if chosen.uses("meta") else Local()
