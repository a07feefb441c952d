"""The page of the global search, and the lines of the command palette."""

from flask import Blueprint, Response, current_app, request, url_for
from flask import redirect as send_to
from werkzeug.wrappers import Response as BaseResponse

from portal.inputs import lenient
from portal.search import service
from portal.search.inputs import SearchInput
from portal.search.palette import OWN_PASSWORDS, options
from portal.search.service import Findings, Kind
from portal.web import may, render, requires, signs_in_by_clerk

blueprint = Blueprint("search", __name__, url_prefix="/search")

TITLES: dict[Kind, str] = {"clients": "Clients", "members": "Members", "policies": "Policies", "vehicles": "Vehicles"}


@blueprint.get("/")
@requires("clients.read")
def results() -> Response | BaseResponse:
    """The best matches of each kind; straight to the record when exactly its id or number was typed."""
    wanted = lenient(SearchInput, request.args.to_dict())
    typed = wanted.q or ""
    findings = service.find(typed, (wanted.kind,) if wanted.kind in _kinds() else _kinds())
    hit = None if wanted.kind else service.exact_hit(typed, findings)
    if hit:
        return send_to(f"/policies/{hit['policy_id']}" if "policy_id" in hit else f"/clients/{hit['client_id']}", 303)
    return render(
        "search/results.html",
        typed=typed,
        kind=wanted.kind,
        findings=findings,
        titles=TITLES,
        too_short=service.too_short(typed),
        mark=service.mark,
        sections=_sections(typed, findings),
    )


@blueprint.get("/palette")
@requires("clients.read")
def palette() -> Response:
    """The lines of the command palette for what was typed so far, as a fragment of a page."""
    typed = (lenient(SearchInput, request.args.to_dict()).q or "").strip()
    found = service.find(typed, _kinds())
    areas = {*current_app.blueprints, *(() if signs_in_by_clerk() else (OWN_PASSWORDS,))}
    return render("search/palette.html", groups=options(typed, found, areas, may))


def _kinds() -> tuple[Kind, ...]:
    return ("clients", "members", "policies", "vehicles") if may("policies.read") else ("clients", "members")


def _sections(typed: str, findings: Findings) -> list[tuple[Kind, str, str]]:
    """Kind, heading and address of the whole list of each kind that has matches."""
    return [
        (kind, TITLES[kind], url_for("search.results", q=typed, kind=kind) if kind in findings.more else "")
        for kind, rows in findings.rows.items()
        if rows
    ]
