"""The ways to the outside: WhatsApp through Twilio or Meta, e-mail over SMTP, and the one that keeps everything here.

Tasks alone use them. `channels.gateway_for` answers the one that is configured; `interface.py` says what each can do.
"""
