"""The OpenAPI 3.1 document, from the routes and what their views declare; it cannot say anything else."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask
from openapi_pydantic import (
    Components,
    Header,
    Info,
    License,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Tag,
)
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from werkzeug.routing import Rule

from app.core import errors
from app.core.config import Settings
from app.core.version import VERSION
from app.web.declaration import Access, Declaration, View
from app.web.errors import MEANINGS, PROBLEM, status_of
from app.web.versions import PreconditionRequired

_REF = "#/components/schemas/{model}"
_TEMPLATES = {
    "id": {"type": "integer", "format": "int64", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
}
_CONVERTER = re.compile(r"<(?:(\w+):)?(\w+)>")
_JSON = "application/json"

Inputs = list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]]


def document(app: Flask, settings: Settings) -> dict[str, Any]:
    """Return the document of every route that is not hidden."""
    operations = list(_operations(app))
    schemas = _Schemas(declaration for _, _, _, declaration in operations)
    paths: dict[str, PathItem] = {}
    for path, method, view, declaration in operations:
        item = paths.setdefault(path, PathItem())
        setattr(item, method.lower(), _operation(path, method, view, declaration, schemas))
    built = OpenAPI(
        openapi="3.1.0",
        info=Info(
            title=settings.service_name.capitalize(),
            version=VERSION,
            description="Accounts, sign-in, roles and users.",
            license=License(name="MIT", identifier="MIT"),
        ),
        servers=[],
        paths=paths,
        components=Components(
            schemas={name: Schema.model_validate(schema) for name, schema in schemas.components.items()},
            securitySchemes={
                "bearer": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearerFormat="JWT",
                    description="The access token of POST /auth/login.",
                )
            },
        ),
        tags=[Tag(name=name) for name in dict.fromkeys(_tag(path) for path, *_ in operations)],
    )
    written = built.model_dump(mode="json", by_alias=True, exclude_none=True)
    written.pop("servers", None)
    return written


def _operations(app: Flask) -> Iterable[tuple[str, str, View, Declaration]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        declaration = getattr(view, "declaration", None)
        if declaration is None or declaration.hidden:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield _path(rule), method, view, declaration


def _path(rule: Rule) -> str:
    return _CONVERTER.sub(r"{\2}", rule.rule)


class _Schemas:
    """All shapes, each described once, with references between them."""

    def __init__(self, declarations: Iterable[Declaration]) -> None:
        inputs: Inputs = []
        self._keys: dict[tuple[int, str], Any] = {}
        for declaration in declarations:
            for adapter in _answers(declaration):
                inputs.append((id(adapter), "serialization", adapter))
            if declaration.takes:
                inputs.append((declaration.takes, "validation", TypeAdapter(declaration.takes)))
        generator = GenerateJsonSchema(by_alias=True, ref_template=_REF)
        self._made, definitions = generator.generate_definitions(
            [(key, mode, adapter.core_schema) for key, mode, adapter in inputs]
        )
        self.components: dict[str, Any] = {**definitions, **_ERRORS}

    def answer(self, adapter: TypeAdapter[Any]) -> dict[str, Any]:
        """Return the schema of an answer."""
        return self._made[(id(adapter), "serialization")]  # type: ignore[index]

    def body(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return the schema of a body."""
        return self._made[(model, "validation")]  # type: ignore[index]


def _answers(declaration: Declaration) -> list[TypeAdapter[Any]]:
    return [adapter for adapter in (declaration.returns, *declaration.richer.values()) if adapter is not None]


def _operation(path: str, method: str, view: View, declaration: Declaration, schemas: _Schemas) -> Operation:
    text = inspect.getdoc(view) or view.__name__
    summary, _, description = text.partition(". ")
    return Operation(
        operationId=f"{view.__name__}_{path.strip('/').partition('/')[0]}"
        if view.__name__ == "health"
        else view.__name__,
        summary=summary.removesuffix("."),
        description=_explained(description, declaration) or None,
        tags=[_tag(path)],
        security=[] if declaration.access is Access.PUBLIC else [{"bearer": []}],
        parameters=[
            *_path_parameters(path, view),
            *_query_parameters(declaration),
            *_header_parameters(declaration),
        ],
        requestBody=_request_body(declaration, schemas),
        responses={
            str(status): answer for status, answer in sorted(_responses(path, declaration, schemas).items())
        },
    )


def _tag(path: str) -> str:
    parts = [part for part in path.split("/") if part and part not in {"api", "v1"}]
    if path.startswith("/auth"):
        return "auth"
    return parts[0] if path.startswith("/api") else "service"


def _explained(description: str, declaration: Declaration) -> str:
    needs = declaration.access
    wanted = (
        f"Needs {', '.join(f'`{name}`' for name in sorted(needs))}." if isinstance(needs, frozenset) else ""
    )
    return " ".join(part for part in (description, wanted) if part)


def _path_parameters(path: str, view: View) -> list[Parameter]:
    kinds = inspect.signature(view).parameters
    return [
        Parameter(
            name=name,
            param_in="path",
            required=True,
            param_schema=Schema.model_validate(_TEMPLATES["id" if kinds[name].annotation is int else "uuid"]),
        )
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(declaration: Declaration) -> list[Parameter]:
    if declaration.query is None:
        return []
    described = declaration.query.model_json_schema(by_alias=True)
    return [
        Parameter(
            name=name,
            param_in="query",
            required=False,
            param_schema=Schema.model_validate(_without_null(schema)),
        )
        for name, schema in described["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter can be left out but never be null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    kept = {key: value for key, value in schema.items() if key not in {"anyOf", "default", "title"}}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    if len(choices) == 1:
        return {**kept, **choices[0]}
    return {**kept, "anyOf": choices} if choices else kept


def _header_parameters(declaration: Declaration) -> list[Parameter]:
    if not declaration.conditional:
        return []
    return [
        Parameter(
            name="If-Match",
            param_in="header",
            required=False,
            description="The ETag that you read; 412 if it changed meanwhile.",
            param_schema=Schema(type="string", pattern=r'^(\*|"[0-9]{1,18}")$'),
        )
    ]


def _request_body(declaration: Declaration, schemas: _Schemas) -> RequestBody | None:
    if declaration.takes is None:
        return None
    schema = Schema.model_validate(schemas.body(declaration.takes))
    return RequestBody(
        required=not declaration.body_optional, content={_JSON: MediaType(media_type_schema=schema)}
    )


def _responses(path: str, declaration: Declaration, schemas: _Schemas) -> dict[int, Response]:
    found = {status: _failure(status, codes) for status, codes in _failures(path, declaration).items()}
    found[declaration.status] = _success(declaration, schemas)
    for status in declaration.status_of.values():
        found[status] = found[declaration.status]
    return found


def _success(declaration: Declaration, schemas: _Schemas) -> Response:
    headers: dict[str, Header | Reference] = {}
    if declaration.versioned:
        headers["ETag"] = _header("The version, for If-Match.")
    if declaration.location:
        headers["Location"] = _header("Where the new thing is.")
    adapters = _answers(declaration)
    if not adapters:
        return Response(description="Done. No body.", headers=headers or None)
    shapes = [schemas.answer(adapter) for adapter in adapters]
    data = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    content = {
        _JSON: MediaType(
            media_type_schema=Schema.model_validate(
                data if declaration.bare else _envelope(data, declaration)
            )
        )
    }
    return Response(description=declaration.message, headers=headers or None, content=content)


def _header(description: str) -> Header:
    return Header(description=description, param_schema=Schema(type="string"))


def _envelope(data: Mapping[str, Any], declaration: Declaration) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "status": {"const": "success"},
        "data": data,
        "message": {"type": "string"},
        "metadata": {"$ref": _REF.format(model="Metadata")},
    }
    if declaration.paged:
        properties["pagination"] = {"$ref": _REF.format(model="Pagination")}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _failures(path: str, declaration: Declaration) -> dict[int, list[str]]:
    """Return every status that this view can fail with, and the codes of each."""
    found: dict[int, list[str]] = {}

    def add(*kinds: type[errors.Failure]) -> None:
        for kind in kinds:
            codes = found.setdefault(status_of(kind), [])
            if kind.code not in codes:
                codes.append(kind.code)

    if declaration.access is not Access.PUBLIC:
        add(errors.Unauthenticated, errors.InvalidToken)
    if isinstance(declaration.access, frozenset):
        add(errors.Forbidden)
    if "{" in path:
        add(errors.NotFound)
    if declaration.takes is not None:
        add(errors.Malformed, errors.Invalid)
        found |= {413: [MEANINGS[413][0]], 415: [MEANINGS[415][0]]}
    if declaration.query is not None:
        add(errors.Invalid)
    if declaration.conditional:
        add(errors.EditedMeanwhile, PreconditionRequired)
    if not declaration.exempt:
        add(errors.TooMany)
    add(errors.Unavailable, *declaration.fails)
    return found


def _failure(status: int, codes: list[str]) -> Response:
    problem = {"$ref": _REF.format(model="Problem")}
    error = {"$ref": _REF.format(model="Error")}
    return Response(
        description=" or ".join(f"`{code}`" for code in codes),
        content={
            _JSON: MediaType(media_type_schema=Schema.model_validate(error)),
            PROBLEM: MediaType(media_type_schema=Schema.model_validate(problem)),
        },
    )


_STRING, _INTEGER, _BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_ERRORS: dict[str, Any] = {
    "Metadata": {
        "type": "object",
        "properties": {"timestamp": {"type": "string", "format": "date-time"}, "request_id": _STRING},
        "required": ["timestamp", "request_id"],
    },
    "Pagination": {
        "type": "object",
        "description": "By number; or, if `cursor` was given, `next_cursor` and `has_next` only.",
        "properties": {
            "page": _INTEGER,
            "per_page": _INTEGER,
            "total_pages": _INTEGER,
            "total_items": _INTEGER,
            "total_exact": {**_BOOLEAN, "description": "False when `total_items` is where counting stopped."},
            "has_next": _BOOLEAN,
            "has_prev": _BOOLEAN,
            "next_cursor": {"type": ["string", "null"]},
        },
        "required": ["has_next", "next_cursor"],
    },
    "Error": {
        "type": "object",
        "properties": {
            "status": {"const": "error"},
            "error": {
                "type": "object",
                "properties": {
                    "code": _STRING,
                    "message": _STRING,
                    "details": {
                        "type": "object",
                        "additionalProperties": {"type": "array", "items": _STRING},
                    },
                },
                "required": ["code", "message", "details"],
            },
            "metadata": {"$ref": _REF.format(model="Metadata")},
        },
        "required": ["status", "error", "metadata"],
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457, for clients that accept application/problem+json.",
        "properties": {
            "type": _STRING,
            "title": _STRING,
            "status": _INTEGER,
            "detail": _STRING,
            "instance": _STRING,
            "code": _STRING,
            "request_id": _STRING,
            "errors": {
                "type": "array",
                "items": {"type": "object", "properties": {"pointer": _STRING, "detail": _STRING}},
            },
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
    },
}
