"""The parameters that lists take from their address, as the pages read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request

from portal.api.shapes import Schema, of_query
from portal.api.views.routes import Asked, require_cursor
from portal.inputs import Input
from portal.paging import LONGEST_CURSOR, SIZES, Listing, Sort, listing


def parameters(model: type[Input] | None, sorts: Sequence[Sort]) -> Mapping[str, Schema]:
    """Filter, order, page size and place of a list."""
    words = [word for sort in sorts for word in (sort.name, f"-{sort.name}")]
    paging: dict[str, Schema] = {
        "sort": {"type": "string", "enum": words, "description": "Order; with - the other way round"},
        "size": {"type": "integer", "enum": list(SIZES), "description": "Rows of a page"},
        "cursor": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": LONGEST_CURSOR,
                   "description": "next_cursor of the page before"},
    }  # fmt: skip
    return {**(of_query(model) if model else {}), **paging}


def listed(asked: Asked, sorts: Sequence[Sort]) -> Listing:
    """What was asked of a list; 422 for a cursor that is not its own."""
    arguments: dict[str, Any] = request.args.to_dict()
    wanted = listing(arguments, sorts)
    require_cursor(asked, wanted)
    return wanted
