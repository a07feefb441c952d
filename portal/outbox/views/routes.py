"""The blueprint that the views of this area add themselves to."""

from flask import Blueprint

blueprint = Blueprint("outbox", __name__)
