"""Links that work without signing in."""

import ipaddress

from flask import Response, request

from database_pool import transaction
from portal.documents import links, queries, service
from portal.documents.views.delivery import delivered
from portal.documents.views.routes import blueprint
from portal.web import not_found, public

GONE = "This link does not work, or not any more. Ask the agency for a new one."


@blueprint.route("/media/<token>/<name>", methods=["GET", "HEAD"])
@public
def media(token: str, name: str) -> Response:
    """The document of a signed link. Whatever is wrong with the link, the answer is the same 404."""
    link = links.read(token)
    document = queries.document(link.document_id) if link else None
    if link is None or document is None or document["deleted_at"] is not None or document["state"] == "refused":
        not_found(GONE)
    response = delivered(document, name=document["file_name"], inline=True)
    sent = int(response.headers.get("Content-Length", 0)) if request.method == "GET" else 0
    with transaction() as tx:
        service.note_fetch(
            tx,
            link.document_id,
            purpose=link.purpose,
            method=request.method,
            network=_network(request.remote_addr),
            sent=sent,
        )
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _network(address: str | None) -> str | None:
    """The network of an address: enough to tell a provider from a person, too little to find the person."""
    try:
        return str(ipaddress.ip_network((address or "", 24 if "." in (address or "") else 48), strict=False))
    except ValueError:
        return None
