"""The door of API keys: make, list, revoke, and say who a key stands for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Update, bindparam, func, select, update

from app.core import clock
from app.core.caller import Caller
from app.core.errors import Conflict, InvalidToken, NotFound
from app.core.ids import UUID, uuid7
from app.core.keyring import digest
from app.core.paging import Page, PageRequest
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.api_keys import secret as secrets
from app.features.api_keys.identity import KeyHolder, connect, identify
from app.features.api_keys.models import ApiKey
from app.features.api_keys.personal import erase, held_of
from app.features.api_keys.secret import PREFIX
from app.features.audit import service as audit
from app.features.mail import service as mail
from app.infra import db
from app.infra.listing import Listing

__all__ = [
    "PREFIX",
    "KeyHolder",
    "KeyView",
    "MadeKey",
    "TooManyKeys",
    "connect",
    "count_users_with_key",
    "create",
    "erase",
    "held_of",
    "identify",
    "list_keys",
    "revoke",
    "revoke_all",
]

_MOST = 50

_KEYS = ApiKey.__table__.c
_LIST = Listing(
    select(*(column for column in _KEYS if column.name != "hash")).where(_KEYS.revoked_at.is_(None)),
    orders={"id": (_KEYS.id,)},
    filters={"user_id": _KEYS.user_id == bindparam("user_id")},
)


class TooManyKeys(Conflict):
    """A list of keys that nobody can oversee is one that nobody cleans up."""

    code = "TOO_MANY_API_KEYS"
    message = f"You have {_MOST} live API keys. Revoke one that is no longer used."


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as its owner sees it."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class MadeKey(KeyView):
    """A key when it was just made: the only time its secret is known."""

    secret: str = field(repr=False)


def create(*, name: str, scopes: Iterable[str], expires_in: int, by: Caller) -> MadeKey:
    """Make a key of the caller that lives so many seconds; its scopes must be permissions that they hold."""
    wanted = sorted({str(scope) for scope in scopes})
    access.refuse_escalation(by, wanted)
    # The lock lets no two keys both be the last one, nor one be made while its owner is locked out.
    if by.user_id is None or not accounts.lock_active(by.user_id):
        raise InvalidToken
    if _live(by.user_id) >= _MOST:
        raise TooManyKeys
    now = clock.now()
    prefix, secret = secrets.make()
    key = ApiKey(
        id=uuid7(),
        user_id=by.user_id,
        name=name,
        prefix=prefix,
        hash=digest(secret),
        scopes=wanted,
        created_at=now,
        expires_at=now + timedelta(seconds=expires_in),
    )
    db.session().add(key)
    db.session().flush()
    _announce(key)
    return MadeKey(key.id, name, prefix, wanted, now, key.expires_at, None, secret)


def list_keys(*, user_id: int | None, page: PageRequest) -> Page[KeyView]:
    """Return a user's keys that were not revoked, newest first; expired ones too, until they are removed."""
    found = _LIST.page(page, sort="-id", given={"user_id": user_id or 0})
    shown = (
        KeyView(row.id, row.name, row.prefix, row.scopes, row.created_at, row.expires_at, row.last_used_at)
        for row in found.items
    )
    return found.with_items(list(shown))


def revoke(key_id: UUID, *, by: Caller) -> None:
    """End one of the caller's keys for good; another's is not found."""
    if not _revoke(update(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == by.user_id)):
        raise NotFound
    audit.record("api_key_revoked", target=("api_key", key_id))


def revoke_all(*, user_id: int, reason: str) -> int:
    """End all keys of a user for good; return how many."""
    ended = _revoke(update(ApiKey).where(ApiKey.user_id == user_id))
    if ended:
        audit.record("api_key_revoked", target=("user", user_id), detail={"keys": ended, "reason": reason})
    return ended


def count_users_with_key() -> int:
    """Return how many users have an API key that works."""
    live = ApiKey.revoked_at.is_(None), ApiKey.expires_at > clock.now()
    return db.session().scalar(select(func.count(ApiKey.user_id.distinct())).where(*live)) or 0


def _live(user_id: int) -> int:
    live = (ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None), ApiKey.expires_at > clock.now())
    return db.session().scalar(select(func.count()).select_from(ApiKey).where(*live)) or 0


def _announce(key: ApiKey) -> None:
    """Write it down and tell the owner: a key outlives the session that made it."""
    detail = {"scopes": key.scopes, "expires_at": clock.rfc3339(key.expires_at)}
    audit.record("api_key_created", target=("api_key", key.id), detail=detail)
    owner = accounts.find_user(key.user_id)
    mail.send("api_key_created", to=owner.email if owner else None, user_id=key.user_id, context={"what": key.name})


def _revoke(statement: Update) -> int:
    ended = statement.where(ApiKey.revoked_at.is_(None)).values(revoked_at=clock.now()).returning(ApiKey.id)
    return len(db.session().scalars(ended.execution_options(synchronize_session=False)).all())
