"""The list of documents, and what is missing."""

from flask import Response, request

from portal.documents import queries, words
from portal.documents.inputs import SOURCES, DocumentFilter, GapFilter
from portal.documents.views.routes import blueprint
from portal.inputs import lenient
from portal.paging import listing
from portal.settings.queries import masters
from portal.web import prefilled, render, requires


@blueprint.get("/documents")
@requires("documents.read")
def browse() -> Response:
    """The list of documents, narrowed, sorted and paged by the address."""
    arguments = request.args.to_dict()
    narrowed = lenient(DocumentFilter, arguments)
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


@blueprint.get("/documents/missing")
@requires("documents.read")
def missing() -> Response:
    """Policies without a schedule, and clients of whom no KYC paper is kept."""
    arguments = request.args.to_dict()
    narrowed = lenient(GapFilter, arguments)
    page = queries.page_of_gaps(listing(arguments, queries.GAP_SORTS), narrowed)
    return render(
        "documents/missing.html",
        page=page,
        narrowed=narrowed,
        form=prefilled(narrowed.model_dump()),
        agents=[(agent["id"], agent["name"]) for agent in masters().agents],
        words=words,
    )
