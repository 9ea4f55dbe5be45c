"""Where the present work comes from: set once for a request or a command, read by logs, audit and sessions."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

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
    traceparent: str | None = None
    """The span of this work (W3C), where it is traced: what its jobs continue."""


Carried = dict[str, Any]
"""``request_id``, ``trace_id`` and ``user_id``, and ``traceparent`` where there is one, as a message of the queue holds
them."""

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


def carried() -> Carried:
    """Return what work that is done later, perhaps elsewhere, keeps of the present origin."""
    origin = current()
    kept = {"request_id": origin.request_id, "trace_id": origin.trace_id, "user_id": origin.user_id}
    return kept | {"traceparent": origin.traceparent} if origin.traceparent else kept


def resumed(carried: Carried | None) -> Origin:
    """Return the origin of work that was asked for earlier, or of work that came from nowhere."""
    kept = ("trace_id", "user_id", "traceparent")
    known = {name: carried[name] for name in kept if name in carried} if carried else {}
    return Origin(request_id=(carried or {}).get("request_id") or uuid7_text(), **known)


begin = _origin.set
end = _origin.reset
