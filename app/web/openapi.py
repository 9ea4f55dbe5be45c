"""The OpenAPI 3.1 document, from the routes and what their views declare; it cannot say anything else."""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask
from openapi_pydantic import OpenAPI
from werkzeug.routing import Rule

from app.core import errors
from app.core.config import Settings
from app.core.ids import UUID
from app.core.version import VERSION
from app.web import caller, idempotency
from app.web.declaration import Access, Declaration, View
from app.web.errors import MEANINGS, PROBLEM, status_of
from app.web.openapi_shapes import Shapes, reference, without_null
from app.web.versions import PreconditionRequired

Json = dict[str, Any]

_JSON = "application/json"
_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")
_PARAMETER = re.compile(r"{(\w+)}")
_ID = {"type": "integer", "format": "int64", "minimum": 0}
_SECURITY_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a sign-in, or an API key where `apiKey` is offered too.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, `ak_…`. Send this or a bearer token, not both.",
    },
}
_PARTS: dict[object, Json] = {
    int: _ID,
    str: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
}
"""How a part of a path is described, by its type in the view."""
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes a repetition safe for 24 hours: the same key and body get the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that you read; 412 if it changed meanwhile.",
    "schema": {"type": "string", "examples": ['"1"']},
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path."""

    path: str
    method: str
    view: View
    declaration: Declaration

    @property
    def tag(self) -> str:
        """Return the group in which readers look for it."""
        parts = [part for part in self.path.split("/") if part not in {"", "api", "v1"}]
        return parts[0] if self.path.startswith(("/api", "/auth")) else "service"


def document(app: Flask, settings: Settings) -> Json:
    """Return the document of every route that is not hidden, checked against the specification's model."""
    endpoints = list(_endpoints(app))
    shapes = Shapes(endpoint.declaration for endpoint in endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, shapes)
    written = {
        "openapi": "3.1.0",
        "info": {
            "title": settings.service_name.capitalize(),
            "version": VERSION,
            "description": "Accounts, sign-in, roles and users.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name} for name in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {"schemas": shapes.components, "securitySchemes": _SECURITY_SCHEMES},
    }
    OpenAPI.model_validate(written)
    return written


def _endpoints(app: Flask) -> Iterable[Endpoint]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        declaration = getattr(view, "declaration", None)
        if declaration is None or declaration.hidden:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Endpoint(_path(rule), method, view, declaration)


def _path(rule: Rule) -> str:
    return _CONVERTER.sub(r"{\1}", rule.rule)


def _operation(endpoint: Endpoint, shapes: Shapes) -> Json:
    declaration = endpoint.declaration
    summary, _, rest = (inspect.getdoc(endpoint.view) or endpoint.view.__name__).partition(". ")
    operation: Json = {
        "operationId": _operation_id(endpoint),
        "summary": summary.removesuffix("."),
        "description": " ".join(part for part in (rest, _needs(declaration)) if part),
        "tags": [endpoint.tag],
        "security": _security(declaration),
        "parameters": [*_in_path(endpoint), *_in_query(declaration), *_in_header(endpoint)],
        "responses": {str(status): answer for status, answer in sorted(_responses(endpoint, shapes).items())},
    }
    if declaration.takes is not None:
        content = {_JSON: {"schema": shapes.body(declaration.takes)}}
        operation["requestBody"] = {"required": not declaration.body_optional, "content": content}
    return {name: value for name, value in operation.items() if value != ""}


def _security(declaration: Declaration) -> list[Json]:
    """Return what proves who calls, any of these."""
    if declaration.access is Access.PUBLIC:
        return []
    return [{"bearer": []}, {"apiKey": []}] if caller.takes_keys(declaration) else [{"bearer": []}]


def _operation_id(endpoint: Endpoint) -> str:
    """Write the view's name in camel case: pages that link to operations stumble over underscores."""
    name = "healthz" if endpoint.path == "/healthz" else endpoint.view.__name__
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def _needs(declaration: Declaration) -> str:
    needed = declaration.access
    permissions = f"Needs {', '.join(f'`{name}`' for name in sorted(needed))}." if isinstance(needed, frozenset) else ""
    recent = "Needs `POST /auth/reauth` within the last ten minutes." if declaration.step_up else ""
    return " ".join(part for part in (permissions, recent) if part)


def _in_path(endpoint: Endpoint) -> list[Json]:
    kinds = inspect.signature(endpoint.view).parameters
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _PARTS[kinds[name].annotation],
        }
        for name in _PARAMETER.findall(endpoint.path)
    ]


def _in_query(declaration: Declaration) -> list[Json]:
    if declaration.query is None:
        return []
    described = declaration.query.model_json_schema(by_alias=True)["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": without_null(schema)}
        for name, schema in described.items()
    ]


def _in_header(endpoint: Endpoint) -> list[Json]:
    found = [_IF_MATCH] if endpoint.declaration.conditional else []
    return [*found, _IDEMPOTENCY_KEY] if idempotency.applies(endpoint.declaration, endpoint.method) else found


def _responses(endpoint: Endpoint, shapes: Shapes) -> dict[int, Json]:
    found = {status: _failure(codes) for status, codes in _failures(endpoint).items()}
    declaration = endpoint.declaration
    for status in (declaration.status, *declaration.status_of.values()):
        found[status] = _success(declaration, shapes)
    return found


def _success(declaration: Declaration, shapes: Shapes) -> Json:
    data = shapes.answer(declaration)
    if declaration.status == HTTPStatus.SEE_OTHER:
        where = {"description": "Where to go on to.", "schema": {"type": "string"}}
        return {"description": "Go on to `Location`.", "headers": {"Location": where}}
    if data is None:
        return {"description": "Done. No body."}
    body = data if declaration.bare else _envelope(data, declaration)
    headers = {}
    if declaration.versioned:
        headers["ETag"] = {"description": "The version, for If-Match.", "schema": {"type": "string"}}
    if declaration.location:
        headers["Location"] = {"description": "Where the new thing is.", "schema": {"type": "string"}}
    return {"description": declaration.message, "headers": headers, "content": {_JSON: {"schema": body}}}


def _envelope(data: Mapping[str, Any], declaration: Declaration) -> Json:
    properties: Json = {
        "status": {"const": "success"},
        "data": data,
        "message": {"type": "string"},
        "metadata": reference("Metadata"),
    }
    if declaration.paged:
        properties["pagination"] = reference("Pagination")
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _failures(endpoint: Endpoint) -> dict[int, list[str]]:
    """Return every status that a view can fail with, and the codes of each."""
    found: dict[int, list[str]] = {}
    if endpoint.declaration.takes is not None:
        found |= {status: [MEANINGS[status][0]] for status in (413, 415)}
    kinds: list[type[errors.Failure]] = [errors.Unavailable, *endpoint.declaration.fails, *_implied(endpoint)]
    for kind in kinds:
        codes = found.setdefault(status_of(kind), [])
        if kind.code not in codes:
            codes.append(kind.code)
    return found


def _implied(endpoint: Endpoint) -> Iterable[type[errors.Failure]]:
    """Yield the failures that follow from what is declared."""
    declaration = endpoint.declaration
    if declaration.access is not Access.PUBLIC:
        yield from (errors.Unauthenticated, errors.InvalidToken)
    yield from caller.refusals(declaration)
    if "{" in endpoint.path:
        yield errors.NotFound
    if declaration.takes is not None:
        yield from (errors.Malformed, errors.Invalid)
    if declaration.query is not None:
        yield from (errors.Malformed, errors.Invalid)
    if declaration.conditional:
        yield from (errors.EditedMeanwhile, PreconditionRequired)
    if idempotency.applies(declaration, endpoint.method):
        yield from idempotency.FAILURES
    if not declaration.exempt:
        yield errors.TooMany


def _failure(codes: list[str]) -> Json:
    return {
        "description": " or ".join(f"`{code}`" for code in codes),
        "content": {_JSON: {"schema": reference("Error")}, PROBLEM: {"schema": reference("Problem")}},
    }
