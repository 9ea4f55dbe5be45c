"""Cookies that only this service reads: HttpOnly, SameSite=Lax, and on https bound to this very host (``__Host-``)."""

from flask import request
from werkzeug.http import dump_cookie

from app.core.config import Settings
from app.web import headers

_https = False


def connect(settings: Settings) -> None:
    """Learn whether users come over https."""
    global _https  # noqa: PLW0603 -- set once during assembly
    _https = settings.https


def find(name: str) -> str | None:
    """Return what the browser keeps under a name."""
    return request.cookies.get(_full(name))


def keep(name: str, value: str, *, seconds: int) -> None:
    """Have the browser keep a value for so long, whether the request succeeds or fails."""
    cookie = dump_cookie(_full(name), value, max_age=seconds, path="/", secure=_https, httponly=True, samesite="Lax")
    headers.add(("Set-Cookie", cookie))


def drop(name: str) -> None:
    """Have the browser forget a value."""
    keep(name, "", seconds=0)


def _full(name: str) -> str:
    return f"__Host-{name}" if _https else name
