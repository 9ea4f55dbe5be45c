"""Shapes on the wire: what bodies and queries must look like, what answers do look like, and the envelope."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import orjson
from flask import request
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from app.core import clock, origin
from app.core.errors import Invalid, Malformed
from app.core.permissions import Permission
from app.web import bodies
from app.web.declaration import LARGE, SMALL, Declaration, V, declare

S = TypeVar("S", bound=BaseModel)

Timestamp = Annotated[
    datetime,
    PlainSerializer(clock.rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339, UTC, milliseconds, ``Z``."""

Line = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")]
"""One line of text without control characters."""


ABSENT: Any = Field(default_factory=lambda: None)
"""Default of a field that a partial change may leave out but not set to null; ``given()`` tells which were sent."""


class Schema(BaseModel):
    """A body: strict types, unknown fields refused (the guard against mass assignment)."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    def given(self) -> dict[str, Any]:
        """Return the fields that the client sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Query(BaseModel):
    """A query string: an allow-list of names, read from text."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Out(BaseModel):
    """An answer: an allow-list of fields, read from any object that has them. Trusted, so not validated hard."""

    model_config = ConfigDict(from_attributes=True, hide_input_in_errors=True)


def takes(schema: type[BaseModel], *, large: bool = False, optional: bool = False) -> Callable[[V], V]:
    """Declare the JSON body, given to the view as ``body``; at most 16 KiB, or 1 MiB if ``large``."""
    return declare(takes=schema, body_limit=LARGE if large else SMALL, body_optional=optional)


def asks(query: type[BaseModel]) -> Callable[[V], V]:
    """Declare the query parameters, given to the view as ``query``."""
    return declare(query=query)


def returns(
    shape: Any = None,  # noqa: ANN401 -- any type that pydantic describes
    status: int = 200,
    message: str = "OK",
    *,
    richer: Mapping[Permission, Any] | None = None,
    location: str | None = None,
    versioned: bool = False,
    bare: bool = False,
    secret: bool = False,
    cached: int = 0,
    status_of: Mapping[str, int] | None = None,
) -> Callable[[V], V]:
    """Declare the answer.

    ``richer`` gives holders of a permission another shape; ``location`` is a template over the answer's fields;
    ``versioned`` sends the ``version`` of what was returned as ETag; ``bare`` leaves the envelope away;
    ``secret`` holds tokens, so that nobody may keep it;
    ``cached`` lets anybody keep the answer for so many seconds; ``status_of`` gives another status to an answer
    whose own ``status`` field says so, and with it the message that such an answer has.
    """
    return declare(
        returns=None if shape is None else TypeAdapter(shape),
        richer={permission: TypeAdapter(other) for permission, other in (richer or {}).items()},
        status=status,
        message=message,
        location=location,
        versioned=versioned,
        bare=bare,
        secret=secret,
        cached=cached,
        status_of=status_of or {},
    )


def read_body(declaration: Declaration) -> BaseModel | None:
    """Return the declared body, or raise what is wrong with it."""
    schema = declaration.takes
    if schema is None:
        return None
    raw = bodies.read(declaration.body_limit)
    if not raw:
        if declaration.body_optional:
            return None
        raise Malformed("This needs a JSON body.")
    try:
        return schema.model_validate_json(raw)
    except ValidationError as error:
        raise Invalid(details=_explained(error.errors(include_url=False, include_input=False))) from error


def read_query(schema: type[S]) -> S:
    """Return the query parameters as declared; unknown and repeated ones are refused."""
    given: dict[str, str] = {}
    for name, values in arguments().lists():
        if len(values) > 1:
            raise Invalid(details={_named((name,)): ["Give this once."]})
        given[name] = bodies.text(values[0], _named((name,)))
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        raise Invalid(details=_explained(error.errors(include_url=False, include_input=False))) from error


def arguments() -> MultiDict[str, str]:
    """Return the query parameters as they are; raise Malformed for bytes that are no text."""
    try:
        return request.args
    except UnicodeDecodeError as error:
        raise Malformed("The query is not UTF-8.") from error


def _explained(errors: Sequence[ErrorDetails]) -> dict[str, list[str]]:
    details: dict[str, list[str]] = {}
    for error in errors:
        reason = error["msg"].removeprefix("Value error, ")
        details.setdefault(_named(error["loc"]), []).append(reason)
    return details


def _named(place: tuple[int | str, ...]) -> str:
    name = ".".join(str(part) for part in place)
    return name if name.isprintable() and 0 < len(name) <= 64 else "body"  # noqa: PLR2004 -- a name, not a novel


def metadata() -> dict[str, str]:
    """Return the metadata of an envelope."""
    return {"timestamp": clock.rfc3339(clock.now()), "request_id": origin.current().request_id}


def envelope(data: bytes, message: str, pagination: Mapping[str, Any] | None = None) -> bytes:
    """Wrap serialised data; built from bytes, because decoding it again would cost more than making it."""
    parts = [b'{"status":"success","data":', data, b',"message":', orjson.dumps(message)]
    if pagination is not None:
        parts += [b',"pagination":', orjson.dumps(pagination)]
    return b"".join([*parts, b',"metadata":', orjson.dumps(metadata()), b"}"])
