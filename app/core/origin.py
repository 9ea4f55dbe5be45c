"""Where the present work comes from: set once for a request or a command, read by logs, audit and sessions."""

from contextvars import ContextVar
from dataclasses import dataclass

from app.core.ids import uuid7_text


@dataclass(slots=True)
class Origin:
    """The traces that a request leaves. ``route`` is the template, never the path that was typed."""

    request_id: str
    trace_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    method: str | None = None
    route: str | None = None
    user_id: int | None = None


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


def current() -> Origin:
    """Return the origin of the present work; work that came from nowhere gets an id of its own."""
    origin = _origin.get()
    if origin is None:
        origin = Origin(request_id=uuid7_text())
        _origin.set(origin)
    return origin


def find() -> Origin | None:
    """Return the origin if one was set."""
    return _origin.get()


begin = _origin.set
end = _origin.reset
