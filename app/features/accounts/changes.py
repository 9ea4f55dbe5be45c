"""Making, changing, deleting and restoring people."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import flag_modified

from app.core import clock, identifiers
from app.core.caller import Caller
from app.core.errors import Conflict, NotFound
from app.core.permissions import ADMIN
from app.features.access import service as access
from app.features.accounts.credentials import hash_new_password
from app.features.accounts.models import User
from app.features.accounts.people import Profile, profile
from app.features.audit import service as audit
from app.infra import db
from app.web.versions import Guard

Locked = Callable[[int], object]
Created = Callable[[Profile, bool], object]


class EmailTaken(Conflict):
    """Somebody living has this address."""

    code = "EMAIL_TAKEN"
    message = "There is already an account with this e-mail address. Sign in, or use another address."


class UsernameTaken(Conflict):
    """Somebody living has this name."""

    code = "USERNAME_TAKEN"
    message = "There is already an account with this user name. Choose another."


class LastAdministrator(Conflict):
    """Without an administrator nobody could make another."""

    code = "LAST_ADMINISTRATOR"
    message = "This is the last administrator. Make another one first."


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A person to make; the password is hashed already, or None for one who cannot sign in with a password."""

    username: str
    email: str
    password_hash: str | None
    first_name: str = ""
    last_name: str = ""
    is_active: bool = True
    email_verified: bool = False


_locked_out: list[Locked] = []
_created: list[Created] = []


def when_locked_out(act: Locked) -> None:
    """Let those above hear, in the same transaction, of users who may no longer come in."""
    if act not in _locked_out:
        _locked_out.append(act)


def when_created(act: Created) -> None:
    """Let those above hear, in the same transaction, whom an administrator made, and whether with a password."""
    if act not in _created:
        _created.append(act)


def create_user(*, password: str | None, roles: Iterable[str], by: Caller, **account: Any) -> Profile:  # noqa: ANN401 -- the fields of NewAccount
    """Make a person as an administrator does: with a first password or none, and with any role the maker covers."""
    hints = (account["email"], account["username"])
    hashed = None if password is None else hash_new_password(password, hints=hints)
    made = create(NewAccount(password_hash=hashed, **account), roles=roles, by=by)
    for act in _created:
        act(made, hashed is not None)
    return made


def create(account: NewAccount, *, roles: Iterable[str], by: Caller) -> Profile:
    """Make a person; raise EmailTaken or UsernameTaken, also when two do it at once."""
    now = clock.now()
    user = User(
        username=account.username,
        email=account.email,
        password_hash=account.password_hash,
        first_name=account.first_name,
        last_name=account.last_name,
        is_active=account.is_active,
        email_verified_at=now if account.email_verified else None,
        created_at=now,
        updated_at=now,
    )
    with _unique(user):
        _derive(user)
        db.session().add(user)
    audit.record("user_created", target=("user", user.id))
    access.set_roles(user_id=user.id, names=roles, by=by)
    return _profile(user)


def rehearse(account: NewAccount, *, roles: Iterable[str], by: Caller) -> None:
    """Make a person with names that nobody has, and undo it: a registration that must not tell what is taken."""
    nobody = token_hex(12)
    with db.rehearsal():
        create(replace(account, username=nobody, email=f"{nobody}@{nobody}.invalid"), roles=roles, by=by)


def change(*, user_id: int, changes: Mapping[str, Any], guard: Guard, by: Caller) -> Profile:
    """Change fields and roles of a living person whom the caller does not rank below."""
    user, administers = _living(user_id)
    guard(user.version)
    access.refuse_to_overrule(user_id, by=by)
    fields = {name: value for name, value in changes.items() if name != "roles" and getattr(user, name) != value}
    with _unique(user):
        for name, value in fields.items():
            setattr(user, name, value)
        if "email" in fields:
            user.email_verified_at = None
        _derive(user)
    if "roles" in changes and access.set_roles(user_id=user_id, names=changes["roles"], by=by):
        user.updated_at = clock.now()
        flag_modified(user, "updated_at")  # also within the same millisecond this is another version
        db.session().flush()
    if fields:
        audit.record("user_updated", target=("user", user_id), detail={"fields": sorted(fields)})
    if fields.get("is_active") is False:
        _lock_out(user_id)
    if administers:
        _keep_an_administrator()
    return _profile(user)


def move(user: User, email: str) -> None:
    """Give a person another address, which they proved; raise EmailTaken if it is somebody else's."""
    with _unique(user):
        user.email = email
        user.email_verified_at = clock.now()
        _derive(user)


def delete(*, user_id: int, guard: Guard, by: Caller) -> None:
    """Delete a person softly: at once without access, their address free for others, restorable."""
    user, administers = _living(user_id)
    guard(user.version)
    access.refuse_to_overrule(user_id, by=by)
    user.deleted_at = clock.now()
    db.session().flush()
    audit.record("user_deleted", target=("user", user_id))
    _lock_out(user_id)
    if administers:
        _keep_an_administrator()


def restore(*, user_id: int, by: Caller) -> Profile:
    """Bring a deleted person back; raise EmailTaken or UsernameTaken if somebody has taken their place."""
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    if user is None or user.deleted_at is None:
        raise NotFound
    if user.erased_at is not None:
        raise NotFound  # nothing is left to bring back
    access.refuse_to_overrule(user_id, by=by)
    with _unique(user):
        user.deleted_at = None
    audit.record("user_restored", target=("user", user_id))
    return _profile(user)


def has_administrator() -> bool:
    """Tell whether anybody can administer the service."""
    statement = select(User.id).where(
        User.id.in_(access.holders(ADMIN)), User.is_active.is_(True), User.deleted_at.is_(None)
    )
    return db.session().scalar(statement.limit(1)) is not None


def _living(user_id: int) -> tuple[User, bool]:
    """Lock a living person, and tell whether they are an administrator: then all administrators are locked too.

    The roles are asked under the person's lock, so that nobody makes them an administrator in between.
    """
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    if user is None or user.deleted_at is not None:
        raise NotFound
    administers = ADMIN in access.roles_of([user_id])[user_id]
    if administers:
        access.lock_administrators()
    return user, administers


def _keep_an_administrator() -> None:
    if not has_administrator():
        raise LastAdministrator


def _lock_out(user_id: int) -> None:
    for act in _locked_out:
        act(user_id)


def _derive(user: User) -> None:
    """Compute what is looked up by; raise Invalid for an address or a name that cannot be."""
    user.email_key = identifiers.email_key(user.email)
    user.username_key = identifiers.username_key(user.username)
    user.search_text = f"{user.username_key} {user.email_key} {user.first_name} {user.last_name}".casefold()[:520]


@contextmanager
def _unique(user: User) -> Iterator[None]:
    """Store what changes inside; let the database promise uniqueness, and name what it refused.

    The change belongs inside the savepoint: opening one stores whatever changed before it, outside of it.
    """
    session = db.session()
    try:
        with session.begin_nested():
            yield
            user_id, email_key = user.id, user.email_key
            session.flush()
    except IntegrityError as error:
        statement = select(User.id).where(User.email_key == email_key, User.deleted_at.is_(None))
        taken = session.scalar(statement.where(User.id != user_id) if user_id else statement)
        raise (EmailTaken if taken is not None else UsernameTaken) from error


def _profile(user: User) -> Profile:
    return profile(user, access.roles_of([user.id])[user.id])
