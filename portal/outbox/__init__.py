"""Messages to clients and from them: what is to be sent, what became of it, who wrote to the office.

A message is a row first (`service.queue_message`), then one attempt at a time (`tasks.py`), then its status.
"""
