"""The description for programs and, made from the same, for people."""

from functools import cache
from typing import Any

from flask import Response, current_app, jsonify

from portal.api.description import describe
from portal.api.operations import BODY_PARTS, OPERATIONS
from portal.api.shapes import inner_forms
from portal.api.views.routes import blueprint
from portal.policies.inputs import HealthInput
from portal.web import render, signed_in

BODY_PARTS.update(inner_forms(HealthInput))


@blueprint.get("/openapi.json")
@signed_in
def openapi() -> Response:
    """The description as OpenAPI 3.1."""
    return jsonify(_document(current_app.config["APP_BASE_URL"]))


@blueprint.get("/docs")
@signed_in
def docs() -> Response:
    """The same as a page."""
    document = _document(current_app.config["APP_BASE_URL"])
    return render("api/docs.html", document=document, groups=_groups(document))


@cache
def _document(address: str) -> dict[str, Any]:
    name = current_app.jinja_env.globals["portal_name"]
    return describe(OPERATIONS, BODY_PARTS, portal_name=str(name), address=address)


def _groups(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The operations by tag: path, method, and what the description says of them."""
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            content: dict[str, Any] = told.get("requestBody", {}).get("content", {})
            body: dict[str, Any] = next(iter(content.values()), {"schema": {}})["schema"]
            groups[told["tags"][0]].append({**told, "path": path, "method": method.upper(),
                                            "fields": _fields(body, document)})  # fmt: skip
    return list(groups.items())


def _fields(body: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    if "anyOf" in body:
        return [{"name": choice["$ref"].rsplit("/", 1)[1], "kind": "all fields of this line", "required": False}
                for choice in body["anyOf"]]  # fmt: skip
    return [{"name": name, "kind": _kind(field), "required": name in body.get("required", [])}
            for name, field in body.get("properties", {}).items()]  # fmt: skip


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return "one of " + ", ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " or ".join(filter(None, (_kind(choice) for choice in field["anyOf"])))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[1])
    kind = str(field.get("format") or field.get("type", "anything"))
    return f"{kind}, at most {field['maxLength']} characters" if "maxLength" in field else kind
