"""Token pairs: what a session is shown to clients as, and their rotation.

A refresh token is (``sid``, ``gen``), signed; nothing is stored but the number. All claims of a generation follow
from the session's row and the signature is deterministic, so that whoever asks for the same generation gets the
very same token: parallel tabs, or a client whose answer was lost.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid5

from sqlalchemy import select, update

from app.core import clock, origin
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import InvalidToken, Unauthenticated
from app.core.signing import ACCESS, REFRESH, Claims, Kind, Signer
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import identity, keys, notices, sessions
from app.features.auth.models import Session
from app.infra import db

_GRACE = timedelta(seconds=10)

_access_seconds = 3600


class RefreshTokenReused(Unauthenticated):
    """An older refresh token came back: it was stolen, or its thief used it first. The session is ended."""

    code = "REFRESH_TOKEN_REUSED"
    message = "This refresh token was used before, so its session was ended. Sign in again."
    presented = True


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client gets at sign-in and at each refresh. Lifetimes are in seconds from the signing."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    refresh_expires_in: int
    user: accounts.Profile
    token_type: str = "Bearer"  # noqa: S105 -- RFC 6750


def connect(settings: Settings) -> None:
    """Learn how long access tokens live."""
    global _access_seconds  # noqa: PLW0603 -- set once during assembly
    _access_seconds = settings.access_token_seconds


def issue(session: Session, user: accounts.Profile, signer: Signer) -> TokenPair:
    """Return the tokens of a session's present generation: the same each time."""
    signed_at, ends_at = int(session.rotated_at.timestamp()), int(session.expires_at.timestamp())
    access_ends_at = min(signed_at + _access_seconds, ends_at)
    return TokenPair(
        access_token=signer.sign(
            ACCESS, _claims(ACCESS, session, access_ends_at, username=user.username, roles=list(user.roles))
        ),
        refresh_token=signer.sign(REFRESH, _claims(REFRESH, session, ends_at, gen=session.gen)),
        expires_in=access_ends_at - signed_at,
        refresh_expires_in=ends_at - signed_at,
        user=user,
    )


def issue_acting(session: Session, user: accounts.Profile, signer: Signer) -> str:
    """Return an access token, without a refresh token, that names who acts as the user: ``act`` (RFC 8693, 4.1)."""
    ends_at, acting = int(session.expires_at.timestamp()), {"sub": str(session.impersonator_id)}
    shown = {"username": user.username, "roles": list(user.roles)}
    return signer.sign(ACCESS, _claims(ACCESS, session, ends_at, act=acting, **shown))


def refresh(token: str | None) -> TokenPair:
    """Exchange a refresh token for the next pair.

    One compare-and-swap decides among parallel callers; who loses by less than ten seconds gets what the winner
    got. An older token ends the session, which is stored although the answer is 401.
    """
    if token is None:
        raise Unauthenticated("Send the refresh token, in the body or as bearer.")
    claims = keys.read(REFRESH, token)
    signer = keys.signer()
    sid, gen = identity.session_id_of(claims["sid"]), claims["gen"]
    if type(gen) is not int:
        raise InvalidToken
    now, source = clock.now(), origin.current()
    won = db.session().scalar(
        update(Session)
        .where(Session.id == sid, Session.gen == gen, Session.revoked_at.is_(None), Session.expires_at > now)
        .values(gen=gen + 1, rotated_at=now, last_used_at=now, ip=source.ip)
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    )
    session = db.session().scalar(select(Session).where(Session.id == sid))
    if session is None or session.impersonator_id is not None:
        raise InvalidToken
    if session.revoked_at is not None or session.expires_at <= now:
        raise InvalidToken
    if won is None and not _lost_the_race(session, gen):
        _end_stolen(session, gen)
    user = accounts.find_user(session.user_id)
    if user is None or not user.is_active or user.deleted_at is not None or str(user.id) != claims["sub"]:
        raise InvalidToken
    if won is not None:
        audit.record("authn_token_created", target=("session", sid), actor=Caller(user_id=user.id))
    return issue(session, user, signer)


def _lost_the_race(session: Session, gen: int) -> bool:
    return session.gen == gen + 1 and clock.now() - session.rotated_at <= _GRACE


def _end_stolen(session: Session, gen: int) -> None:
    sid, user_id = session.id, session.user_id

    def end() -> None:
        if sessions.end(sid, reason="token_reuse"):
            audit.record(
                "authn_token_reuse",
                outcome="failure",
                target=("session", sid),
                actor=Caller(user_id=user_id),
                detail={"gen": gen},
            )
            notices.token_reused(user_id)

    db.after_rollback(end)
    raise RefreshTokenReused


def _claims(kind: Kind, session: Session, ends_at: int, **more: object) -> Claims:
    return {
        "sub": str(session.user_id),
        "sid": str(session.id),
        "jti": str(uuid5(session.id, f"{kind.typ} {session.gen}")),
        "iat": int(session.rotated_at.timestamp()),
        "exp": ends_at,
        **more,
    }
