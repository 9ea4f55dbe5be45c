"""Who is calling, and whether they may. Floor 4 answers; it is plugged in during assembly."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar

from flask import request

from app.core import origin
from app.core.caller import ANONYMOUS, OPERATOR, Caller
from app.core.errors import Forbidden, InvalidToken, Unauthenticated
from app.core.permissions import Permission
from app.web.declaration import Access, Declaration, V, declare


class SessionRequired(Forbidden):
    """API keys work for the API, not for the account of their owner."""

    code = "SESSION_REQUIRED"
    message = "An API key cannot do this. Sign in."


class ReauthenticationRequired(Forbidden):
    """Who is signed in must prove it once more: the session may be in other hands (OWASP ASVS 5.0, 7.5)."""

    code = "REAUTHENTICATION_REQUIRED"
    message = "Prove that it is you: POST /auth/reauth, then repeat this within ten minutes."


class ImpersonationForbids(Forbidden):
    """Who acts as somebody else leaves their credentials alone."""

    code = "IMPERSONATION_FORBIDS"
    message = "This cannot be done in another's name."


class SecondFactorRequired(Forbidden):
    """A role of the caller gives nothing without a second factor (MFA_REQUIRED_ROLES)."""

    code = "SECOND_FACTOR_REQUIRED"
    message = "Your role needs a second factor. Enrol one, or sign in with it."


Identify = Callable[[str], Caller]

_caller: ContextVar[Caller] = ContextVar("caller", default=OPERATOR)
_identify: Identify | None = None
_identify_key: Identify | None = None


def plug(identify: Identify, *, key: Identify | None = None) -> None:
    """Set who turns a bearer token, and who a key in X-API-Key, into a caller or raises InvalidToken."""
    global _identify, _identify_key
    _identify, _identify_key = identify, key


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
    """Declare that anybody who is signed in may call this view; API keys may not."""
    return declare(access=Access.AUTHENTICATED)(view)


def open_to_keys(view: V) -> V:
    """Declare that this ``@authenticated`` view may be called with any API key as well."""
    return declare(open_to_keys=True)(view)


def in_person(view: V) -> V:
    """Declare that this view is not for API keys, nor for those who act as somebody else."""
    return declare(in_person=True)(view)


def step_up(view: V) -> V:
    """Declare that the caller must have reauthenticated within the last ten minutes, in person."""
    return declare(in_person=True, step_up=True)(view)


def requires(*permissions: Permission) -> Callable[[V], V]:
    """Declare the permissions that a caller of this view must hold, all of them."""
    return declare(access=frozenset(permissions))


def identify() -> Caller:
    """Return who sends this request, or raise Unauthenticated."""
    token, key = bearer(), request.environ.get("HTTP_X_API_KEY")
    if token is None and key is None:
        raise Unauthenticated
    if token is not None and key is not None:
        raise InvalidToken("Send one of them: a bearer token, or an API key as X-API-Key.")
    prove, proof = (_identify, token) if key is None else (_identify_key, key)
    if prove is None or proof is None:
        raise InvalidToken
    caller = prove(proof)
    _caller.set(caller)
    origin.current().user_id = caller.user_id
    return caller


def bearer() -> str | None:
    """Return the bearer token of this request (RFC 6750), None without credentials of that scheme."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def authorise(declaration: Declaration, caller: Caller) -> None:
    """Raise Forbidden unless the caller may do what the view declares; nothing is looked up before."""
    if isinstance(declaration.access, frozenset) and not caller.holds(declaration.access):
        lacking = SecondFactorRequired() if caller.lacks_second_factor else Forbidden()
        raise _refused(lacking, caller, declaration.access)
    if declaration.access is Access.PUBLIC:
        return
    if caller.key_id is not None and not takes_keys(declaration):
        raise _refused(SessionRequired(), caller)
    if caller.impersonator_id is not None and declaration.in_person:
        raise _refused(ImpersonationForbids(), caller)
    if declaration.step_up and not caller.reauthenticated:
        raise ReauthenticationRequired


def takes_keys(declaration: Declaration) -> bool:
    """Tell whether a view that is not public can be called with an API key."""
    if declaration.in_person:
        return False
    return isinstance(declaration.access, frozenset) or declaration.open_to_keys


def refusals(declaration: Declaration) -> Iterator[type[Forbidden]]:
    """Yield what ``authorise`` may raise for such a view, for the description."""
    if declaration.access is Access.PUBLIC:
        return
    if isinstance(declaration.access, frozenset):
        yield from (Forbidden, SecondFactorRequired)
    if not takes_keys(declaration):
        yield SessionRequired
    if declaration.in_person:
        yield ImpersonationForbids
    if declaration.step_up:
        yield ReauthenticationRequired


Refusal = Callable[[Caller, frozenset[Permission], str], None]
_refusals: list[Refusal] = []


def on_refusal(observe: Refusal) -> None:
    """Let the audit hear of callers who may not: with what permissions they would, and the code they were told.

    That somebody must reauthenticate is no refusal but a question.
    """
    if observe not in _refusals:
        _refusals.append(observe)


def _refused(failure: Forbidden, caller: Caller, permissions: frozenset[Permission] = frozenset()) -> Forbidden:
    for observe in _refusals:
        observe(caller, permissions, failure.code)
    return failure
