"""A sign-in on its way to a provider and back, and the code that it ends in; both are bound to who began it.

A flow is a row that is named by the hash of its state, its provider and a random value in a cookie: without any of
them, in another browser or at another provider's callback, it is not found. What it holds is encrypted, for the
PKCE verifier is as good as the code that comes back.
"""

import base64
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256

import orjson

from app.core.errors import Unauthenticated
from app.core.keyring import Keyring, Undecryptable
from app.features.auth import service as auth
from app.infra import db

FLOW_SECONDS = 600
_CODE_LIVES = timedelta(seconds=60)

_FLOW, _CODE, _SEALED = "oidc", "oidc_token", "oidc-flows"
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
_LONGEST_PATH = 1024

_keyring: Keyring


class FlowInvalid(Unauthenticated):
    """Unknown, used, too old, begun in another browser or for another provider: one answer for all."""

    code = "OIDC_FLOW_INVALID"
    message = "This sign-in was not begun in this browser, or too long ago. Begin again."


class CodeInvalid(Unauthenticated):
    """Unknown, used, too old, or not for this browser or app: one answer for all."""

    code = "OIDC_CODE_INVALID"
    message = "This code is not valid or no longer valid. Sign in again."


@dataclass(frozen=True, slots=True)
class Flow:
    """What must be remembered while the browser is at the provider.

    ``challenge`` binds the code at the end to an app (RFC 7636) instead of to the browser. With a ``user_id`` this
    does not sign in but link, for the ``session_id`` that asked for it.
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    challenge: str = ""
    user_id: int | None = None
    session_id: str = ""


def connect(keyring: Keyring) -> None:
    """Learn how flows are encrypted."""
    global _keyring  # noqa: PLW0603 -- set once during assembly
    _keyring = keyring


def browser_of(cookie: str | None) -> str:
    """Return what names this browser: its cookie, so that two tabs do not disturb each other, or a new value."""
    return cookie if cookie and _BROWSER.fullmatch(cookie) else secrets.token_urlsafe(32)


def local_path(wanted: str) -> str:
    """Return a path of this service to go on to; empty for whatever might lead elsewhere."""
    fits = len(wanted) <= _LONGEST_PATH and _LOCAL_PATH.fullmatch(wanted) and "\\" not in wanted
    return wanted if fits else ""


def begin(
    provider: str, *, browser: str, next_path: str, challenge: str = "", user_id: int | None = None, session: str = ""
) -> Flow:
    """Remember a new flow for ten minutes. Opens a transaction of its own."""
    flow = Flow(
        provider=provider,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=local_path(next_path),
        challenge=challenge,
        user_id=user_id,
        session_id=session,
    )
    with db.apart():
        auth.keep_code(
            _FLOW,
            _name(flow.provider, flow.state, browser),
            lives=timedelta(seconds=FLOW_SECONDS),
            user_id=user_id,
            detail={"sealed": _seal(flow)},
        )
    return flow


def end(provider: str, *, state: str, browser: str | None) -> Flow:
    """Return the flow that a browser comes back from, or raise FlowInvalid; it works once, whatever comes of it."""
    with db.apart():
        spent = auth.spend_code(_FLOW, _name(provider, state, browser or ""))
    if spent is None:
        raise FlowInvalid
    return _open(spent.detail["sealed"])


def keep_code(flow: Flow, *, user_id: int, browser: str) -> str:
    """Return a code that signs in once, within a minute, the app or the browser that began the flow."""
    code = secrets.token_urlsafe(32)
    bound = _bound(code, challenge=flow.challenge, browser=browser)
    auth.keep_code(_CODE, bound, lives=_CODE_LIVES, user_id=user_id)
    return code


def spend_code(code: str, *, verifier: str | None, browser: str | None) -> int:
    """Return who signs in with a code, or raise CodeInvalid."""
    challenge = "" if verifier is None else _challenge_of(verifier)
    spent = auth.spend_code(_CODE, _bound(code, challenge=challenge, browser=browser or ""))
    if spent is None or spent.user_id is None:
        raise CodeInvalid
    return spent.user_id


def _name(provider: str, state: str, browser: str) -> str:
    return f"{provider} {state} {browser}"


def _bound(code: str, *, challenge: str, browser: str) -> str:
    return f"{code} app {challenge}" if challenge else f"{code} browser {browser}"


def _challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _seal(flow: Flow) -> str:
    return base64.b64encode(_keyring.encrypt(_SEALED, orjson.dumps(asdict(flow)))).decode()


def _open(sealed: str) -> Flow:
    """Open what was sealed, unless SECRET_KEY was replaced meanwhile."""
    try:
        return Flow(**orjson.loads(_keyring.decrypt(_SEALED, base64.b64decode(sealed))))
    except Undecryptable as error:
        raise FlowInvalid from error
