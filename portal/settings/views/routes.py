"""The blueprint, and the masters that its addresses name."""

from typing import Any

from flask import Blueprint, abort

from portal.inputs import LARGEST_ID
from portal.settings import queries
from portal.settings.kinds import KINDS, Kind
from portal.web import not_found

blueprint = Blueprint("settings", __name__, url_prefix="/settings")

_SLUGS = ", ".join(f'"{slug}"' for slug in KINDS)
MASTER = f"any({_SLUGS})"


def stored_master(kind: Kind, record_id: int) -> dict[str, Any]:
    """The master of the address; 404 with a sentence when there is none."""
    if record_id > LARGEST_ID:
        abort(404)
    return queries.one_master(kind.relation, kind.key, record_id) or not_found(
        f"There is no {kind.word} with this number."
    )
