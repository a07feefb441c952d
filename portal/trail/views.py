"""The pages of the trail: over everything, of one record, and as a file."""

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

import config
from database_pool import transaction
from portal import audit, tables
from portal.formats import office_time
from portal.paging import listing
from portal.staff.queries import colleagues
from portal.trail import queries, words
from portal.trail.inputs import ReadFilter, TrailFilter
from portal.web import actor, exact_filters, limited, list_filters, may, prefilled, render, requires, shows

blueprint = Blueprint("trail", __name__, url_prefix="/audit")

HEADINGS = ("When", "Who", "What was done", "Record", "From → to", "IP address", "Request")


@blueprint.get("/")
@requires("audit.read")
def browse() -> Response:
    """The trail, narrowed and paged by the address."""
    arguments = request.args.to_dict()
    narrowed = list_filters(TrailFilter, arguments)
    page = queries.page_of_trail(listing(arguments, queries.SORTS), narrowed)
    return render(
        "trail/list.html",
        page=page,
        entries=words.told(page.rows, personal=may("audit.personal"), commission=may("commission.read")),
        narrowed=narrowed.model_dump(exclude_none=True),
        form=prefilled(narrowed.model_dump()),
        people=[(row["user_id"], row["name"]) for row in colleagues()],
        verbs=sorted(words.VERBS.items(), key=lambda pair: pair[1]),
        kinds=[(kind, kind[0].upper() + kind[1:]) for kind in words.KINDS_OF_RECORDS],
        most=queries.MOST_EXPORTED,
    )


@blueprint.get("/reads")
@requires("audit.read")
def reads() -> Response:
    """Who looked at whose data, narrowed and paged by the address."""
    arguments = request.args.to_dict()
    narrowed = list_filters(ReadFilter, arguments)
    page = queries.page_of_reads(listing(arguments, queries.READ_SORTS), narrowed)
    return render(
        "trail/reads.html",
        page=page,
        entries=[(row, words.link_to(row["record_type"], row["record_id"])) for row in page.rows],
        narrowed=narrowed.model_dump(exclude_none=True),
        form=prefilled(narrowed.model_dump()),
        people=[(row["user_id"], row["name"]) for row in colleagues()],
        kinds=[(kind, kind.capitalize()) for kind in words.KINDS_READ],
        keep_days=config.settings().reads_keep_days,
    )


@blueprint.post("/export")
@requires("audit.read")
@shows("export of the trail")
@limited("exports")
def export() -> BaseResponse:
    """The newest entries that match as a CSV file. That somebody took them along stands in the trail as well."""
    narrowed = exact_filters(TrailFilter, request.form.to_dict())
    asked = narrowed.model_dump(exclude_none=True)
    with transaction() as tx:
        audit.record(tx, actor(), "export", "trail", "", after=asked)
    entries = words.told(queries.newest(narrowed), personal=may("audit.personal"), commission=may("commission.read"))
    rows = (
        (office_time(entry.when), entry.who, entry.verb, entry.record, entry.as_text, entry.ip, entry.request_id)
        for entry in entries
    )
    answer = Response(tables.csv_lines(HEADINGS, rows), mimetype="text/csv")
    answer.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer
