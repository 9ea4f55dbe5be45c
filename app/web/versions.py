"""ETag and If-Match (RFC 9110): of two who change the same thing, the second learns that it changed."""

from collections.abc import Callable
from typing import ClassVar

from flask import request

from app.core.config import Settings
from app.core.errors import EditedMeanwhile, Failure
from app.web.declaration import V, declare

Guard = Callable[[int], None]
"""Called with the current version, once the row is locked; raises EditedMeanwhile."""

_required = False


class PreconditionRequired(Failure):
    """The update must say which version it changes (RFC 6585)."""

    code: ClassVar[str] = "PRECONDITION_REQUIRED"
    message = "Send the ETag that you read as If-Match."


def connect(settings: Settings) -> None:
    """Learn whether updates must carry If-Match."""
    global _required  # noqa: PLW0603 -- set once during assembly
    _required = settings.require_if_match


def conditional(view: V) -> V:
    """Declare that the view changes one versioned thing; it is given ``guard``."""
    return declare(conditional=True)(view)


def etag(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"{version}"'


def guard() -> Guard:
    """Return the check that this request's If-Match asks for."""
    header = request.headers.get("If-Match")
    if header is None and _required:
        raise PreconditionRequired
    wanted = request.if_match

    def check(version: int) -> None:
        if header is not None and not wanted.contains(str(version)):
            raise EditedMeanwhile

    return check
