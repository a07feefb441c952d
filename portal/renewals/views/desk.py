"""The list of renewals with the figures above it, and the retention of past months."""

from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import transaction
from portal import audit
from portal.formats import today
from portal.freshness import Fresh
from portal.inputs import lenient
from portal.lists.service import Preferences, preferences_of
from portal.paging import listing
from portal.policies import words as policy_words
from portal.renewals import queries, words
from portal.renewals.inputs import RenewalFilter
from portal.renewals.views.routes import blueprint
from portal.settings.queries import masters
from portal.web import (
    actor,
    csv_download,
    current_user,
    exact_filters,
    flash,
    fresh,
    limited,
    list_filters,
    redirect_home,
    render,
    requires,
    showing,
    workbook_download,
)

Answer = Response | BaseResponse
MONTHS_BACK = 12
MOST_IN_SHEET = 2000   # a second of the processor
TOO_MANY_FOR_SHEET = "The Excel file holds up to 2,000 policies. Narrow the list, or take the CSV file."


@blueprint.get("/renewals")
@requires("policies.read")
def index() -> Response:
    """What is due, overdue first: figures, twelve months, and the list narrowed by what the address says."""
    arguments = request.args.to_dict()
    wanted = list_filters(RenewalFilter, arguments)
    filters = queries.filters_of(wanted, today(), current_user().user_id)
    answers = fresh()
    totals = queries.totals(filters, answers)
    page = queries.first_renewals(listing(arguments, queries.SORTS), filters, totals.policies, answers)
    return render(
        "renewals/list.html",
        page=page,
        totals=totals,
        board=queries.board(today(), answers),
        today=today(),
        wanted=wanted,
        preferences=_preferences(answers),
        masters=masters(fresh=answers),
        colleagues=queries.colleagues(answers),
        is_narrowed=any(value is not None for name, value in wanted if name != "view"),
        words=words,
        policy_words=policy_words,
    )


@blueprint.get("/renewals/export")
@requires("policies.read")
@limited("exports")
def export() -> Response:
    """The list as a CSV file: all its rows, the columns that are shown; a month's own name where it is one month."""
    arguments = request.args.to_dict()
    wanted = exact_filters(RenewalFilter, arguments)
    return exported(arguments, queries.filters_of(wanted, today(), current_user().user_id))


def exported(arguments: dict[str, str], filters: dict[str, Any]) -> Response:
    """Rows of the list as a file, noted in the trail and among the reads."""
    columns = _preferences().exported
    headings = ["Policy", *(column.label for column in columns)]
    fields = ["policy_number", *(column.field for column in columns)]
    _note_export(arguments, filters, fields)
    rows = queries.every_renewal(listing(arguments, queries.SORTS), filters)
    month = lenient(RenewalFilter, arguments).month
    name = f"renewals-{month}.csv" if month else "renewals.csv"
    return csv_download(name, headings, ([row[field] for field in fields] for row in rows))


@blueprint.get("/renewals/export.xlsx")
@requires("policies.read")
@limited("exports")
def export_sheet() -> Answer:
    """The renewals of a month (this one where none is named) as the office's Excel sheet, narrowed as the list is."""
    arguments = {"month": f"{today():%Y-%m}", **request.args.to_dict()}
    wanted = exact_filters(RenewalFilter, arguments)
    month = words.month_name(wanted.month or f"{today():%Y-%m}")
    filters = queries.filters_of(wanted, today(), current_user().user_id)
    rows = queries.sheet(listing(arguments, queries.SORTS), filters, MOST_IN_SHEET + 1)
    if len(rows) > MOST_IN_SHEET:
        flash(TOO_MANY_FOR_SHEET, "warn")
        return redirect_home(f"/renewals?{urlencode(arguments)}")
    _note_export(arguments, filters, [field for _, field in words.SHEET if field])
    return workbook_download(
        f"Renewal_Export_{month.replace(' ', '_')}.xlsx",
        month,
        [heading for heading, _ in words.SHEET],
        ([row[field] if field else None for _, field in words.SHEET] for row in rows),
    )


def _note_export(arguments: dict[str, str], filters: dict[str, Any], fields: list[str]) -> None:
    showing("export of renewals")
    with transaction() as tx:
        audit.record(tx, actor(), "export", "list", "renewals", after={
            "filter": arguments, "ids": filters.get("policy_id_in"), "columns": fields})  # fmt: skip


def _preferences(fresh: Fresh | None = None) -> Preferences:
    user = current_user()
    return preferences_of(user.user_id, "renewals", words.COLUMNS, user.permissions, fresh)


@blueprint.get("/renewals/retention")
@requires("policies.read")
def retention() -> Response:
    """What was kept of the terms that fell due in each of the last twelve months."""
    year, month = today().year, today().month
    first = today().replace(year=year - (1 if month < MONTHS_BACK else 0), month=month % MONTHS_BACK + 1, day=1)
    months = queries.retention(first, MONTHS_BACK, today())
    return render("renewals/retention.html", months=list(reversed(months)), words=words)
