"""The blueprint that the pages of settings hang on."""

from flask import Blueprint

blueprint = Blueprint("settings", __name__, url_prefix="/settings")
