"""Whom an account elsewhere stands for here: known by issuer and subject; by address only if both sides proved it."""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from unicodedata import normalize

from sqlalchemy import bindparam, delete, func, select

from app.core import clock, identifiers
from app.core.caller import ANONYMOUS, Caller
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import UUID, uuid7
from app.core.permissions import USER
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import service as auth
from app.features.factors import service as factors
from app.features.mail import service as mail
from app.features.oidc.models import Identity
from app.infra import db
from app.infra.query import Query, Row

_SHOWN = Identity.__table__.c
_OF = Query(select(*_SHOWN).where(_SHOWN.user_id == bindparam("user_id")).order_by(_SHOWN.id))

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_SHORTEST_STEM, _LONGEST_STEM = 3, 26
_TRIES = 20


class EmailMissing(Conflict):
    """The provider tells no address, without which there is no account."""

    code = "PROVIDER_EMAIL_MISSING"
    message = "The provider does not tell an e-mail address. Allow it there, or register here and link the provider."


class AccountExists(Conflict):
    """Somebody has this address, and one side did not prove that it is theirs."""

    code = "ACCOUNT_EXISTS"
    message = "There is already an account with this e-mail address. Sign in to it and link the provider there."


class IdentityTaken(Conflict):
    """Whoever this is elsewhere signs in to another account here."""

    code = "IDENTITY_TAKEN"
    message = "This is linked to another account. Unlink it there first."


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is elsewhere, as a provider says. Nothing in it is trusted but ``issuer`` and ``subject``."""

    provider: str
    title: str
    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    username: str = ""
    first_name: str = ""
    last_name: str = ""


def find_or_make(person: Person) -> int:
    """Return the account of somebody, linked or made now if need be. Opens a transaction of its own.

    Of two browsers that bring the same new person at once, one makes the account; the other then finds it.
    """
    try:
        with db.apart():
            return _find_or_make(person)
    except Conflict:
        with db.apart():
            return _find_or_make(person)


def link(person: Person, *, user_id: int) -> None:
    """Let somebody sign in to an account from now on; raise IdentityTaken if they sign in to another."""
    identity = _find(person)
    if identity is not None and identity.user_id != user_id:
        raise IdentityTaken
    if identity is None:
        _link(person, user_id)
        owner = accounts.find_user(user_id)
        if owner is not None:
            _tell(owner, person)


def list_of(caller: Caller) -> Sequence[Row]:
    """Return the accounts elsewhere that sign in to the caller's, oldest first."""
    return _OF.rows(user_id=caller.user_id)


def unlink(identity_id: UUID, *, caller: Caller) -> None:
    """Take one away, or raise LastWayIn. All of them are locked: two that take each other's last one are in turn."""
    statement = select(Identity).where(Identity.user_id == caller.user_id).order_by(Identity.id).with_for_update()
    own = db.session().scalars(statement).all()
    if identity_id not in {identity.id for identity in own}:
        raise NotFound
    user_id = caller.user_id or 0
    if len(own) == 1 and not accounts.has_password(user_id) and not factors.has_passkey(user_id):
        raise auth.LastWayIn
    db.session().execute(delete(Identity).where(Identity.id == identity_id))
    audit.record("oidc_unlinked", target=("identity", identity_id))


def has_identity(user_id: int) -> bool:
    """Tell whether somebody can sign in with an account elsewhere."""
    return db.session().scalar(select(Identity.id).where(Identity.user_id == user_id).limit(1)) is not None


def count_users_with_identity() -> int:
    """Return how many users can sign in with an account elsewhere."""
    return db.session().scalar(select(func.count(Identity.user_id.distinct()))) or 0


def _find(person: Person) -> Identity | None:
    statement = select(Identity).where(Identity.issuer == person.issuer, Identity.subject == person.subject)
    return db.session().scalar(statement)


def _find_or_make(person: Person) -> int:
    identity = _find(person)
    if identity is not None:
        identity.last_used_at = clock.now()
        return identity.user_id
    existing = accounts.find_by_email(_usable(person.email))
    if existing is None:
        user_id = _make(person)
    elif not (person.email_verified and existing.email_verified):
        raise AccountExists
    elif not existing.is_active:
        raise auth.AccountDisabled
    else:
        user_id = existing.id
    _link(person, user_id, used=True)
    if existing is not None:
        _tell(existing, person)
    return user_id


def _make(person: Person) -> int:
    """Make an account without a password, by a user name that is free."""
    for username in _usernames(person):
        account = accounts.NewAccount(
            username=username,
            email=person.email,
            password_hash=None,
            first_name=person.first_name,
            last_name=person.last_name,
            email_verified=person.email_verified,
        )
        with suppress(accounts.UsernameTaken):
            made = accounts.create(account, roles=[USER], by=ANONYMOUS)
            if not made.email_verified:
                auth.send_verification(made)
            return made.id
    raise accounts.UsernameTaken


def _usernames(person: Person) -> Iterator[str]:
    """Yield names after what somebody is called elsewhere: plain, and then with a number."""
    wanted = (person.username or person.email).partition("@")[0]
    plain = normalize("NFKD", wanted).encode("ascii", "ignore").decode()
    name = _NOT_IN_A_NAME.sub("-", plain)[:_LONGEST_STEM].strip("._-")
    if len(name) < _SHORTEST_STEM or identifiers.is_reserved(name):
        name = "user"
    else:
        yield name
    for _ in range(_TRIES):
        yield f"{name}-{secrets.randbelow(100_000):05}"


def _usable(email: str) -> str:
    """Return an address that an account can have, or raise EmailMissing."""
    try:
        identifiers.email_key(email)
    except Invalid as error:
        raise EmailMissing from error
    return email


def _link(person: Person, user_id: int, *, used: bool = False) -> None:
    now = clock.now()
    identity = Identity(
        id=uuid7(),
        user_id=user_id,
        provider=person.provider,
        issuer=person.issuer,
        subject=person.subject,
        email=person.email or None,
        created_at=now,
        last_used_at=now if used else None,
    )
    db.session().add(identity)
    db.session().flush()
    audit.record(
        "oidc_linked",
        target=("identity", identity.id),
        actor=Caller(user_id=user_id),
        detail={"provider": person.provider},
    )


def _tell(owner: accounts.Profile, person: Person) -> None:
    context = {"username": owner.username, "provider": person.title}
    mail.send("identity_linked", to=owner.email, user_id=owner.id, context=context)
