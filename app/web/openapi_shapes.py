"""The schemas of the OpenAPI document: every shape once, and those that all answers share."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from app.web.declaration import Declaration

Json = dict[str, Any]

_TEMPLATE = "#/components/schemas/{model}"


def reference(name: str) -> Json:
    """Return a reference to a shape."""
    return {"$ref": _TEMPLATE.format(model=name)}


def without_null(schema: Json) -> Json:
    """Describe a parameter, which can be left out but never be null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in {"anyOf", "default", "title"}}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    if len(choices) == 1:
        return {**kept, **choices[0]}
    return {**kept, "anyOf": choices} if choices else kept


class Shapes:
    """What all these declarations take and return, with references between them."""

    def __init__(self, declarations: Iterable[Declaration]) -> None:
        wanted: dict[tuple[int, JsonSchemaMode], TypeAdapter[Any]] = {}
        for declaration in declarations:
            for adapter in _adapters(declaration):
                wanted[id(adapter), "serialization"] = adapter
            if declaration.takes is not None:
                wanted[id(declaration.takes), "validation"] = TypeAdapter(declaration.takes)
        generator = GenerateJsonSchema(by_alias=True, ref_template=_TEMPLATE)
        made, definitions = generator.generate_definitions(
            [(key, mode, adapter.core_schema) for (key, mode), adapter in wanted.items()]
        )
        self._made: dict[tuple[Any, JsonSchemaMode], Json] = made
        self.components: Json = {str(name): schema for name, schema in definitions.items()} | _SHARED

    def answer(self, declaration: Declaration) -> Json | None:
        """Return the schema of what a view returns; None if that is nothing."""
        found = [self._made[id(adapter), "serialization"] for adapter in _adapters(declaration)]
        if len(found) > 1:
            return {"anyOf": found}
        return found[0] if found else None

    def body(self, model: type[BaseModel]) -> Json:
        """Return the schema of a body."""
        return self._made[id(model), "validation"]


def _adapters(declaration: Declaration) -> list[TypeAdapter[Any]]:
    return [adapter for adapter in (declaration.returns, *declaration.richer.values()) if adapter is not None]


_STRING, _INTEGER, _BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}

_SHARED: Json = {
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
            "metadata": reference("Metadata"),
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
