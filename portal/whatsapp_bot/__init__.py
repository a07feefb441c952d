"""The bot that answers on WhatsApp: policies, what is due, documents, and the way to a colleague."""
