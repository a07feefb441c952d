"""Health and figures for machines."""

from flask import Response, jsonify, make_response, request

from portal import measures
from portal.api.operations import OPERATIONS, Operation
from portal.api.shapes import Shape
from portal.formats import now
from portal.monitoring import exposition, health
from portal.monitoring.views.routes import blueprint
from portal.web import monitor

STATUS = Shape("SystemStatus", "users", (), (), extra=(
    ("status", "string"), ("timestamp", "string"), ("services", "object"), ("performance", "object"),
    ("alerts", "array")))  # fmt: skip
OPERATIONS.append(Operation(
    "show_system_status", "GET", "/system/status", "", "How the portal and its services are", "System", STATUS,
    watched=True))  # fmt: skip


@blueprint.get("/health/detailed")
@monitor
def detailed() -> Response:
    """How each service is; 503 when the portal cannot do its work."""
    found = health.services()
    status = health.overall(found)
    answer = jsonify(status=status, timestamp=now().isoformat(timespec="seconds"), services=found)
    return make_response(answer, 503 if status == "unhealthy" else 200)


@blueprint.get("/metrics")
@monitor
def figures() -> Response:
    """All figures: JSON, or Prometheus' text for whoever asks for that."""
    counted = measures.gathered()
    told = exposition.figures(counted)
    if _wants_prometheus():
        answer = make_response(exposition.as_prometheus(told, counted))
        answer.headers["Content-Type"] = exposition.PROMETHEUS
        return answer
    return jsonify(timestamp=now().isoformat(timespec="seconds"), **told)


@blueprint.get("/api/system/status")
@monitor
def status() -> Response:
    """State and figures by service, how fast pages are answered, and what somebody should look at."""
    told = exposition.figures(measures.gathered())
    return jsonify(
        status=told["status"], timestamp=now().isoformat(timespec="seconds"),
        services={name: told[name] for name in exposition.SERVICES},
        performance={**told["requests"], **told["system"]}, alerts=told["alerts"],
    )  # fmt: skip


def _wants_prometheus() -> bool:
    if request.args.get("format") == "prometheus":
        return True
    accepted = request.accept_mimetypes
    plain = max(accepted["text/plain"], accepted["application/openmetrics-text"])
    asked = "text/plain" in request.headers.get("Accept", "") or "openmetrics" in request.headers.get("Accept", "")
    return asked and plain >= accepted["application/json"]
