"""Who an API key stands for at this moment: key, owner, roles and permissions, in one statement."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update

from app.core import clock
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import Failure, InvalidToken
from app.core.keyring import digest
from app.core.permissions import known
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.api_keys.models import ApiKey
from app.features.api_keys.secret import prefix_of
from app.features.audit import service as audit
from app.infra import db
from app.infra.query import Query

_TOUCH = timedelta(minutes=1)

_guarded_roles: frozenset[str] = frozenset()

_IDENTITY = Query(
    access.join_roles(
        accounts.join_users(
            select(
                ApiKey.id.label("key_id"),
                ApiKey.hash.label("key_hash"),
                ApiKey.scopes,
                ApiKey.created_at.label("made_at"),
                ApiKey.last_used_at,
            ).where(
                ApiKey.prefix == bindparam("prefix"),
                ApiKey.revoked_at.is_(None),
                ApiKey.expires_at > bindparam("now"),
            ),
            ApiKey.user_id,
        ),
        ApiKey.user_id,
    )
)
"""A row for each role of the owner."""


@dataclass(frozen=True, slots=True)
class KeyHolder(Caller):
    """A program that acts for the owner of its key. They proved who they are when the key was made: ``auth_time``."""

    profile: accounts.Profile | None = None
    auth_time: datetime | None = None


def connect(settings: Settings) -> None:
    """Learn which roles give nothing without a second factor."""
    global _guarded_roles  # noqa: PLW0603 -- set once during assembly
    _guarded_roles = frozenset(settings.mfa_required_roles)


def identify(secret: str) -> KeyHolder:
    """Return who a key stands for at this moment, or raise InvalidToken.

    It may do what is both in its scopes and still its owner's to do. A role that needs a second factor gives it
    nothing while the owner has none; with one, the key was made in a session that proved it.
    """
    prefix = prefix_of(secret)
    rows = _IDENTITY.rows(prefix=prefix, now=clock.now()) if prefix else ()
    if not rows or not hmac.compare_digest(digest(secret), rows[0].key_hash):
        raise InvalidToken
    row = rows[0]
    roles = tuple(sorted(one.role for one in rows if one.role is not None))
    lacks_second_factor = not row.mfa_enabled and not _guarded_roles.isdisjoint(roles)
    held = {name for one in rows for name in one.role_permissions or ()}
    holder = KeyHolder(
        user_id=row.id,
        username=row.username,
        roles=roles,
        permissions=frozenset() if lacks_second_factor else known(held & set(row.scopes)),
        key_id=row.key_id,
        lacks_second_factor=lacks_second_factor,
        profile=accounts.profile(row, roles),
        auth_time=row.made_at,
    )
    _note_use(row, holder)
    return holder


def _note_use(row: Any, holder: KeyHolder) -> None:  # noqa: ANN401 -- a row of what identifies
    """Store when the key was used, at most once a minute; a database that cannot store it now fails no read."""
    now = clock.now()
    if row.last_used_at is not None and now - row.last_used_at <= _TOUCH:
        return
    used = update(ApiKey).where(ApiKey.id == row.key_id).execution_options(synchronize_session=False)
    try:
        with db.apart() as session:
            first = used.where(ApiKey.last_used_at.is_(None)).values(last_used_at=now).returning(ApiKey.id)
            if row.last_used_at is None and session.scalar(first) is not None:
                audit.record("api_key_used_first", target=("api_key", row.key_id), actor=holder)
            elif row.last_used_at is not None:
                session.execute(used.values(last_used_at=now))
    except Failure:
        return
