"""What a view answers with: pages, redirects, short messages, the page of two versions."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from flask import Response, g, make_response, redirect, render_template, request, url_for
from flask import flash as flask_flash
from werkzeug.wrappers import Response as BaseResponse

from portal.errors import NotFound
from portal.freshness import Fresh
from portal.tables import csv_lines, write_workbook
from portal.web.access import safe_next
from portal.web.forms import SubmittedForm, prefilled

VARIES = "HX-Request, HX-Request-Type, HX-Target"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST_MESSAGE = 300   # messages travel in the cookie, which holds 4 KB


def render(template: str, status: int = 200, **context: Any) -> Response:
    """The page, with the status of a refused form (422) where the caller says so.

    htmx asking for the main part of a page gets that part: `fragment` tells base.html.
    """
    context.setdefault("fragment", wants_main_part())
    response = make_response(render_template(template, **context), status)
    response.headers["Vary"] = VARIES
    return response


def fresh() -> Fresh:
    """What this request may take from answers given before. One that may write asks each time what has changed."""
    if request.method not in ("GET", "HEAD"):
        return Fresh()
    if "fresh" not in g:
        g.fresh = Fresh()
    return g.fresh  # type: ignore[no-any-return]


def wants_main_part() -> bool:
    """Whether htmx asks for what stands in <main> and for nothing around it."""
    return request.headers.get("HX-Request-Type") == "partial" and request.headers.get("HX-Target") == "main#main"


def csv_download(name: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A CSV file that is sent while its rows are read, none of whose cells is a formula."""
    response = Response(csv_lines(headings, rows), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def workbook_download(name: str, title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """An Excel file of one sheet, none of whose cells is a formula. For some thousand cells: it is made on the spot."""
    content = io.BytesIO()
    write_workbook(content, [(title, headings, rows)])
    response = Response(content.getvalue(), mimetype=WORKBOOK)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def redirect_to(endpoint: str, **values: Any) -> BaseResponse:
    """Sends the browser on with 303, so that reloading the next page repeats nothing."""
    return redirect(url_for(endpoint, **values), 303)


def redirect_home(target: str | None) -> BaseResponse:
    """Sends the browser on to a path that came with the request, if it is one of this portal's pages."""
    return redirect(safe_next(target), 303)


def flash(
    sentence: str, kind: str = "ok", *, undo: str = "", version: int = 0, link: str = "", label: str = ""
) -> None:
    """Shows a short message on the next page. `kind`: ok, warn or bad.

    With `undo`, the path of a form that takes it back, the message has a button for it; `version` is that of the record
    as it stands now. With `link`, the path of what usually comes next, it has a link called `label`.
    """
    text = sentence[:LONGEST_MESSAGE]
    message: Any = text
    if undo:
        message = {"text": text, "undo": undo, "version": version}
    elif link:
        message = {"text": text, "link": link, "label": label}
    flask_flash(message, kind)


def not_found(sentence: str) -> NoReturn:
    """Answers 404 with a sentence that says what was looked for."""
    raise NotFound(sentence)


def conflict_page(
    title: str,
    form: SubmittedForm[Any],
    labels: Mapping[str, str],
    theirs: Mapping[str, Any],
    version: int,
    action_url: str,
    cancel_url: str,
    *,
    names: Mapping[str, Mapping[str, str]] | None = None,
) -> Response:
    """409: the record was changed by someone else meanwhile. Shows both versions and lets the colleague choose.

    `labels` names the fields to compare, in order; `theirs` is the record as it now stands and `version` its number.
    Nothing typed is lost: the form of the page holds all of it together with the fresh version. `names` tells for
    fields that hold numbers of other records what to show instead ({"insurer_id": {"7": "Star Health"}}).
    """
    stored = prefilled(theirs)
    fields = []
    for name, label in labels.items():
        mine, other = _shown(form, name, names or {}), _shown(stored, name, names or {})
        fields.append({"label": label, "mine": mine, "theirs": other, "differs": mine != other})
    return render(
        "errors/conflict.html", 409, title=title, fields=fields, kept=kept_fields(form, leave_out={"version"}),
        version=version, action_url=action_url, cancel_url=cancel_url)


def kept_fields(form: SubmittedForm[Any], *, leave_out: set[str]) -> list[tuple[str, str]]:
    """Every field of a form as (name, value), for a page that carries it in hidden inputs."""
    kept = []
    for name, value in form.values.items():
        if name in leave_out or (isinstance(value, list) and value and isinstance(value[0], dict)):
            continue
        kept += [(name, item) for item in (value if isinstance(value, list) else [value])]
    return kept


def _shown(form: SubmittedForm[Any], name: str, names: Mapping[str, Mapping[str, str]]) -> str:
    """A field as one comparable text; rows (a list of records) one line each."""
    value = form.values.get(name, "")
    if not isinstance(value, list):
        text = form.value(name).strip()
        return names.get(name, {}).get(text, text)
    return "\n".join(_shown_row(row, names) if isinstance(row, dict) else row for row in value)


def _shown_row(row: Mapping[str, str], names: Mapping[str, Mapping[str, str]]) -> str:
    shown = [names.get(name, {}).get(text, text) for name, text in row.items() if text]
    return " · ".join(dict.fromkeys(shown))
