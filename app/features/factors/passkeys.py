"""The passkeys that are stored: found, used, listed, named, removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from app.core import clock
from app.core.errors import Conflict, NotFound
from app.core.ids import UUID, uuid7
from app.core.paging import Page, PageRequest
from app.features.accounts import service as accounts
from app.features.factors import ceremonies
from app.features.factors.ceremonies import Known, Refused
from app.features.factors.models import Passkey
from app.features.factors.schemas import Assertion, Attestation
from app.infra import db
from app.infra.listing import Listing
from app.infra.query import Query

_MOST = 20

_COLUMNS = Passkey.__table__.c
_LIST = Listing(
    select(*_COLUMNS),
    orders={"id": (_COLUMNS.id,)},
    filters={"user_id": _COLUMNS.user_id == bindparam("user_id")},
)
_BY_CREDENTIAL = Query(
    select(_COLUMNS.id, _COLUMNS.user_id, _COLUMNS.public_key).where(
        _COLUMNS.credential_id == bindparam("credential_id", type_=_COLUMNS.credential_id.type)
    )
)


class PasskeyTaken(Conflict):
    """This key is registered, here or with another account."""

    code = "PASSKEY_TAKEN"
    message = "This passkey is registered already. Use another device, or remove it first."


class TooManyPasskeys(Conflict):
    """Nobody needs so many, and all of them are named to the browser at each registration."""

    code = "TOO_MANY_PASSKEYS"
    message = f"There are {_MOST} passkeys already. Remove one first."


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its owner sees it."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool
    transports: list[str]
    aaguid: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The stored key that an assertion claims to be of; nothing is proven yet."""

    id: UUID
    user_id: int
    public_key: bytes


def registration_options(user: accounts.Profile, *, challenge: bytes) -> dict[str, Any]:
    """Return what the browser needs to make a key that this user does not have yet."""
    return ceremonies.creation_options(
        challenge=challenge,
        handle=ceremonies.handle_of(user.id, user.created_at),
        name=user.username,
        title=f"{user.first_name} {user.last_name}".strip() or user.username,
        known=_known(user.id),
    )


def sign_in_options(*, challenge: bytes, user_id: int | None = None) -> dict[str, Any]:
    """Return what the browser needs to sign: with whichever key it has, or with one of this user's."""
    return ceremonies.request_options(challenge=challenge, known=[] if user_id is None else _known(user_id))


def add_passkey(*, user_id: int, attestation: Attestation, challenge: bytes, name: str) -> PasskeyView:
    """Store the key that a browser made; raise Refused, PasskeyTaken or TooManyPasskeys.

    Call it under the lock of the user, so that two at once are counted one after the other.
    """
    made = ceremonies.verify_attestation(attestation, challenge=challenge)
    if _count(user_id) >= _MOST:
        raise TooManyPasskeys
    key = Passkey(
        id=uuid7(),
        user_id=user_id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        transports=list(dict.fromkeys(attestation.response.transports)),
        aaguid=made.aaguid,
        backed_up=made.credential_backed_up,
        name=name,
        created_at=clock.now(),
    )
    try:
        with db.session().begin_nested():
            db.session().add(key)
    except IntegrityError as error:
        raise PasskeyTaken from error
    return _view(key)


def find_claimed(assertion: Assertion) -> Claimed | None:
    """Return the key that an assertion claims to be of. Holds no connection after; raises MalformedPasskey."""
    row = _BY_CREDENTIAL.first(credential_id=ceremonies.credential_id_in(assertion))
    return None if row is None else Claimed(row.id, row.user_id, row.public_key)


def use_passkey(claimed: Claimed, assertion: Assertion, *, challenge: bytes, owner: accounts.Profile) -> None:
    """Raise Refused unless the owner's key signed this, and signed more often than it ever had.

    A counter that does not grow is a copy of the key, or its original after a copy was used: the standard (7.2, 22)
    leaves it to us, and we refuse, because only keys bound to one device count. Passkeys that are shared between
    devices always say 0. Compared and set by one statement, so two copies at once do not both pass.
    """
    handle = ceremonies.handle_of(owner.id, owner.created_at)
    signed = ceremonies.verify_assertion(assertion, challenge=challenge, public_key=claimed.public_key, handle=handle)
    grown = Passkey.sign_count < signed.sign_count if signed.sign_count else Passkey.sign_count == 0
    used = (
        update(Passkey)
        .where(Passkey.id == claimed.id, Passkey.user_id == owner.id, grown)
        .values(sign_count=signed.sign_count, backed_up=signed.backed_up, last_used_at=clock.now())
        .returning(Passkey.id)
    )
    if db.session().scalar(used.execution_options(synchronize_session=False)) is None:
        raise Refused


def list_passkeys(user_id: int, *, page: PageRequest) -> Page[PasskeyView]:
    """Return somebody's passkeys, newest first."""
    found = _LIST.page(page, sort="-id", given={"user_id": user_id})
    return found.with_items([_view(row) for row in found.items])


def rename_passkey(passkey_id: UUID, *, user_id: int, name: str) -> PasskeyView:
    """Call one of somebody's passkeys otherwise; another's is not found."""
    key = db.session().scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id))
    if key is None:
        raise NotFound
    key.name = name
    db.session().flush()
    return _view(key)


def remove_passkey(passkey_id: UUID, *, user_id: int) -> None:
    """Forget one of somebody's passkeys; another's is not found."""
    statement = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id).returning(Passkey.id)
    if db.session().scalar(statement) is None:
        raise NotFound


def has_passkey(user_id: int) -> bool:
    """Tell whether somebody has a passkey."""
    return _count(user_id) > 0


def count_users_with_passkey() -> int:
    """Return how many users have a passkey."""
    return db.session().scalar(select(func.count(Passkey.user_id.distinct()))) or 0


def _count(user_id: int) -> int:
    counted = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    return db.session().scalar(counted) or 0


def _known(user_id: int) -> list[Known]:
    columns = (Passkey.credential_id, Passkey.public_key, Passkey.transports)
    rows: Sequence[Any] = db.session().execute(select(*columns).where(Passkey.user_id == user_id)).all()
    return [Known(row.credential_id, row.public_key, row.transports) for row in rows]


def _view(row: Any) -> PasskeyView:  # noqa: ANN401 -- a Passkey or a row of passkeys
    return PasskeyView(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        backed_up=row.backed_up,
        transports=row.transports,
        aaguid=row.aaguid,
    )
