"""What people sign in with."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import String, and_, bindparam, or_, select

from app.core import identifiers
from app.core.config import Settings
from app.core.passwords import Hasher, Policy
from app.features.accounts.models import User
from app.infra import db
from app.infra.query import Query

_hasher = Hasher(memory_kib=19456, time_cost=2)
_policy = Policy()

_LIVING = User.deleted_at.is_(None)
_LOGIN = bindparam("login", type_=String)
_BY_LOGIN = Query(
    # SQLite uses the partial indexes only if each half of OR says what they are limited to.
    select(User.id, User.password_hash, User.is_active, User.email_verified_at).where(
        or_(and_(User.email_key == _LOGIN, _LIVING), and_(User.username_key == _LOGIN, _LIVING))
    )
)
_BY_ID = Query(
    select(User.id, User.password_hash, User.is_active, User.email_verified_at).where(
        User.id == bindparam("user_id"), User.deleted_at.is_(None)
    )
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sign-in is checked against; ``user_id`` is None for nobody."""

    user_id: int | None
    password_hash: str | None = field(repr=False)
    is_active: bool
    email_verified: bool = False


def connect(settings: Settings) -> None:
    """Learn what passwords must be and how they are hashed."""
    global _hasher, _policy  # noqa: PLW0603 -- set once during assembly
    _hasher = Hasher(memory_kib=settings.password_hash_memory_kib, time_cost=settings.password_hash_time_cost)
    _policy = Policy(settings.password_min_length)


def find_credentials(login: str) -> Credentials:
    """Return what an address or a user name signs in with. Costs the same for nobody; holds no connection after."""
    return _credentials(_BY_LOGIN.first(login=identifiers.login_key(login)))


def credentials_of(user_id: int) -> Credentials:
    """Return what a user signs in with."""
    return _credentials(_BY_ID.first(user_id=user_id))


def _credentials(row: Any) -> Credentials:  # noqa: ANN401 -- a row of users
    if row is None:
        return Credentials(None, None, is_active=False)
    verified = row.email_verified_at is not None
    return Credentials(row.id, row.password_hash, row.is_active, email_verified=verified)


def has_password(user_id: int) -> bool:
    """Tell whether a user can sign in with a password."""
    return db.session().scalar(select(User.password_hash).where(User.id == user_id)) is not None


def check_password(credentials: Credentials, password: str) -> tuple[bool, str | None]:
    """Return whether the password is right, and a better hash if the stored one is outdated."""
    return _hasher.verify(password, credentials.password_hash)


def hash_new_password(password: str, *, hints: tuple[str, ...], field: str = "password") -> str:
    """Return the hash of a password that the policy accepts. Slow on purpose: do it before the unit writes."""
    _policy.check(password, hints=hints, field=field)
    return _hasher.hash(password)


def store_password(*, user_id: int, password_hash: str, instead_of: str | None) -> bool:
    """Replace the hash unless it changed since it was read; return whether it was replaced."""
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    if user is None or user.password_hash != instead_of:
        return False
    user.password_hash = password_hash
    db.session().flush()
    return True


def lock_active(user_id: int) -> bool:
    """Lock somebody until the transaction ends; tell whether they may come in: they stay so meanwhile."""
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    return user is not None and user.is_active and user.deleted_at is None


def still_hold(credentials: Credentials, password: str) -> bool:
    """Tell, under a lock, whether the password is still right; a parallel sign-in may have upgraded the hash."""
    # Not FOR SHARE: two that both held it and both upgraded the hash would wait for each other.
    user = db.session().get(User, credentials.user_id, with_for_update={"key_share": True})
    if user is None or user.deleted_at is not None or not user.is_active:
        return False
    return user.password_hash == credentials.password_hash or _hasher.verify(password, user.password_hash)[0]
