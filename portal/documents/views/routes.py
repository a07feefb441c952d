"""The blueprint that every view of documents joins."""

from flask import Blueprint

blueprint = Blueprint("documents", __name__)
