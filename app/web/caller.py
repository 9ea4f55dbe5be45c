"""Who is calling, and whether they may. Floor 4 answers; it is plugged in during assembly."""

from collections.abc import Callable
from contextvars import ContextVar

from flask import request

from app.core import origin
from app.core.caller import ANONYMOUS, OPERATOR, Caller
from app.core.errors import Forbidden, InvalidToken, Unauthenticated
from app.core.permissions import Permission
from app.web.declaration import Access, Declaration, V, declare

Identify = Callable[[str], Caller]

_caller: ContextVar[Caller] = ContextVar("caller", default=OPERATOR)
_identify: Identify | None = None


def plug(identify: Identify) -> None:
    """Set who turns the token of a request into a caller, or raises InvalidToken."""
    global _identify  # noqa: PLW0603 -- set once during assembly
    _identify = identify


def current() -> Caller:
    """Return who is calling; outside of any request that is whoever runs the command."""
    return _caller.get()


class from_outside:  # noqa: N801 -- used like a function; a generator would cost each request 1 µs more
    """Begin as nobody: inside, the caller is who the request proves to be."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _caller.set(ANONYMOUS)

    def __exit__(self, *_: object) -> None:
        _caller.reset(self._token)


def public(view: V) -> V:
    """Declare that anybody may call this view. A token that is sent along is not looked at."""
    return declare(access=Access.PUBLIC)(view)


def authenticated(view: V) -> V:
    """Declare that anybody who is signed in may call this view."""
    return declare(access=Access.AUTHENTICATED)(view)


def requires(*permissions: Permission) -> Callable[[V], V]:
    """Declare the permissions that a caller of this view must hold, all of them."""
    return declare(access=frozenset(permissions))


def identify() -> Caller:
    """Return who sends this request, or raise Unauthenticated."""
    token = bearer()
    if token is None:
        raise Unauthenticated
    if _identify is None:
        raise InvalidToken
    caller = _identify(token)
    _caller.set(caller)
    origin.current().user_id = caller.user_id
    return caller


def bearer() -> str | None:
    """Return the bearer token of this request (RFC 6750), None without credentials of that scheme."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def authorise(declaration: Declaration, caller: Caller) -> None:
    """Raise Forbidden unless the caller holds what the view requires; nothing is looked up before."""
    if isinstance(declaration.access, frozenset) and not caller.holds(declaration.access):
        for observe in _refusals:
            observe(caller, declaration.access)
        raise Forbidden


Refusal = Callable[[Caller, frozenset[Permission]], None]
_refusals: list[Refusal] = []


def on_refusal(observe: Refusal) -> None:
    """Let the audit hear of callers who lacked a permission."""
    if observe not in _refusals:
        _refusals.append(observe)
