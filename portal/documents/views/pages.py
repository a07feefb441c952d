"""The list of documents, and what is missing."""

from flask import Response, request

from portal.clients import queries as clients
from portal.documents import queries, words
from portal.documents.inputs import SOURCES, DocumentFilter, GapFilter
from portal.documents.views.routes import blueprint
from portal.paging import listing
from portal.settings.queries import masters
from portal.web import list_filters, not_found, prefilled, render, requires

MOST_ON_A_PAGE = 25   # documents on the page of their client


@blueprint.get("/documents")
@requires("documents.read")
def browse() -> Response:
    """The list of documents, narrowed, sorted and paged by the address."""
    arguments = request.args.to_dict()
    narrowed = list_filters(DocumentFilter, arguments)
    page = queries.page_of_documents(listing(arguments, queries.SORTS), narrowed)
    return render(
        "documents/list.html",
        page=page,
        narrowed=narrowed,
        form=prefilled({**narrowed.model_dump(), "sort": page.listing.sort_word}),
        kinds=[(row["key"], row["name"]) for row in queries.kinds()],
        sources=SOURCES,
        words=words,
    )


@blueprint.get("/documents/of/<client_id>")
@requires("documents.read")
def of_client(client_id: str) -> Response:
    """The latest documents of a client, as the part of the client's page that it fetches."""
    client = clients.client(client_id.upper()[:20]) or not_found("There is no such client.")
    rows = queries.documents_of_client(client["client_id"], limit=MOST_ON_A_PAGE)
    return render("documents/_section.html", documents=rows, client_id=client["client_id"], policy_id=None,
                  writable=client["deleted_at"] is None, most=MOST_ON_A_PAGE)  # fmt: skip


@blueprint.get("/documents/missing")
@requires("documents.read")
def missing() -> Response:
    """Policies without a schedule, and clients of whom no KYC paper is kept."""
    arguments = request.args.to_dict()
    narrowed = list_filters(GapFilter, arguments)
    page = queries.page_of_gaps(listing(arguments, queries.GAP_SORTS), narrowed)
    return render(
        "documents/missing.html",
        page=page,
        narrowed=narrowed,
        form=prefilled(narrowed.model_dump()),
        agents=[(agent["id"], agent["name"]) for agent in masters().agents],
        words=words,
    )
