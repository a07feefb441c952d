"""The portal with one more kind of task, for gunicorn."""

from tests.task_queue.effects import work
from wsgi import application

__all__ = ["application", "work"]
