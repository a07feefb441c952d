"""The blueprint that the pages of clients hang on."""

from flask import Blueprint

blueprint = Blueprint("clients", __name__, url_prefix="/clients")
