"""Who an access token stands for at this moment: session, user, roles and permissions, in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import bindparam, select, update

from app.core import clock
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import Failure, InvalidToken, Unauthenticated
from app.core.ids import UUID
from app.core.permissions import ADMIN, Permission, known
from app.core.signing import ACCESS
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.api_keys import service as api_keys
from app.features.auth import keys
from app.features.auth.methods import MFA
from app.features.auth.models import Session
from app.infra import db
from app.infra.query import Query, Row
from app.web.versions import Guard

_TOUCH = timedelta(minutes=1)
_STEP_UP = timedelta(minutes=10)

_guarded_roles: frozenset[str] = frozenset()

_IDENTITY = Query(
    access.join_roles(
        accounts.join_users(
            select(
                Session.id.label("sid"),
                Session.auth_time,
                Session.methods,
                Session.last_used_at,
                Session.reauthenticated_at,
                Session.impersonator_id,
            ).where(
                Session.id == bindparam("sid"),
                Session.revoked_at.is_(None),
                Session.expires_at > bindparam("now"),
            ),
            Session.user_id,
        ),
        Session.user_id,
    )
)
"""A row for each role."""

_ACTING = cast("access.UserIdColumn", Session.impersonator_id)
_IMPERSONATOR = Query(
    access.join_roles(
        accounts.join_users(select(Session.id.label("sid")).where(Session.id == bindparam("sid")), _ACTING), _ACTING
    )
)
"""A row for each role of who acts as the user, none unless they may come in."""


@dataclass(frozen=True, slots=True)
class SignedIn(Caller):
    """A caller who proved who they are, with what one statement read of them."""

    profile: accounts.Profile | None = None
    auth_time: datetime | None = None
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Me(accounts.Profile):
    """What a caller sees of themselves."""

    permissions: list[str]
    mfa_required: bool
    auth_time: datetime


def connect(settings: Settings) -> None:
    """Learn which roles give nothing without a second factor."""
    global _guarded_roles  # noqa: PLW0603 -- set once during assembly
    _guarded_roles = frozenset(settings.mfa_required_roles)


def identify(token: str) -> SignedIn:
    """Return who an access token stands for at this moment, or raise InvalidToken."""
    claims = keys.read(ACCESS, token)
    rows = _IDENTITY.rows(sid=session_id_of(claims["sid"]), now=clock.now())
    if not rows or str(rows[0].id) != claims["sub"]:
        raise InvalidToken
    row = rows[0]
    now = clock.now()
    if now - row.last_used_at > _TOUCH:
        _touch(row.sid)
    roles = tuple(sorted(row.role for row in rows if row.role is not None))
    lacks_second_factor = MFA not in row.methods and not _guarded_roles.isdisjoint(roles)
    held = frozenset[str]() if lacks_second_factor else _held(rows)
    if row.impersonator_id is not None:
        held &= _lent(row.sid, to_act_as=roles)
    return SignedIn(
        user_id=row.id,
        session_id=row.sid,
        username=row.username,
        roles=roles,
        permissions=held,
        impersonator_id=row.impersonator_id,
        reauthenticated=row.reauthenticated_at is not None and now - row.reauthenticated_at < _STEP_UP,
        lacks_second_factor=lacks_second_factor,
        profile=accounts.profile(row, roles),
        auth_time=row.auth_time,
        methods=tuple(row.methods),
    )


def methods_of(caller: Caller) -> tuple[str, ...]:
    """Return how the caller's session was opened."""
    return caller.methods if isinstance(caller, SignedIn) else ()


def stepped_up_until() -> datetime:
    """Return until when somebody counts as reauthenticated who is so now."""
    return clock.now() + _STEP_UP


def needs_second_factor(caller: Caller) -> bool:
    """Tell whether a role of the caller gives nothing without a second factor."""
    return not _guarded_roles.isdisjoint(caller.roles)


def profile_of(caller: Caller) -> accounts.Profile:
    """Return what is known of a caller who is signed in."""
    if not isinstance(caller, SignedIn | api_keys.KeyHolder) or caller.profile is None:
        raise Unauthenticated
    return caller.profile


def me(caller: Caller, *, changed: accounts.Profile | None = None) -> Me:
    """Return what a caller sees of themselves, from what identified them or from what they just changed."""
    profile = changed or profile_of(caller)
    proven_at = caller.auth_time if isinstance(caller, SignedIn | api_keys.KeyHolder) else None
    known = {slot: getattr(profile, slot) for slot in accounts.Profile.__dataclass_fields__}
    return Me(
        **known,
        permissions=sorted(caller.permissions),
        mfa_required=caller.lacks_second_factor,
        auth_time=proven_at or clock.now(),
    )


def change_me(*, caller: Caller, changes: Mapping[str, Any], guard: Guard) -> Me:
    """Change the caller's own profile."""
    user_id = profile_of(caller).id
    return me(caller, changed=accounts.change(user_id=user_id, changes=changes, guard=guard, by=caller))


def session_id_of(claim: object) -> UUID:
    """Read the ``sid`` of a token that we signed."""
    try:
        return UUID(str(claim))
    except ValueError as error:
        raise InvalidToken from error


def _lent(session_id: UUID, *, to_act_as: tuple[str, ...]) -> frozenset[str]:
    """Return what an impersonator may do now; raise InvalidToken unless they may still act as such a user."""
    rows = _IMPERSONATOR.rows(sid=session_id)
    held = _held(rows)
    if ADMIN in to_act_as or Permission.USERS_IMPERSONATE not in held:
        raise InvalidToken
    if not rows[0].mfa_enabled and not _guarded_roles.isdisjoint(row.role for row in rows):
        raise InvalidToken
    return held


def _held(rows: list[Row]) -> frozenset[str]:
    return known({name for row in rows for name in row.role_permissions or ()})


def _touch(session_id: UUID) -> None:
    """Note the use, at most once a minute; a database that cannot store it now does not fail a read."""
    try:
        with db.apart():
            db.session().execute(update(Session).where(Session.id == session_id).values(last_used_at=clock.now()))
    except Failure:
        return
