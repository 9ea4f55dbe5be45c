"""Where mail to people goes: to the stored address, never to the one that was typed (CVE-2019-19844)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, bindparam, select

from app.core import clock, identifiers
from app.features.accounts.changes import move
from app.features.accounts.models import User
from app.infra import db
from app.infra.query import Query

_LIVING = User.deleted_at.is_(None)
_SHOWN = select(User.id, User.username, User.email, User.email_verified_at, User.is_active)
_BY_ADDRESS = Query(_SHOWN.where(User.email_key == bindparam("address", type_=String), _LIVING))
_BY_ID = Query(_SHOWN.where(User.id == bindparam("user_id"), _LIVING))


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody living, at their stored address."""

    id: int
    username: str
    email: str
    email_verified: bool
    is_active: bool


def address_key(email: str) -> str:
    """Fold what was typed as addresses are folded, without judging it: what is no address is nobody's."""
    return identifiers.login_key(email)


def find_addressee(email: str) -> Addressee | None:
    """Return whose address this is. Costs the same for nobody; holds no connection after."""
    return _addressee(_BY_ADDRESS.first(address=address_key(email)))


def find_addressee_of(user_id: int) -> Addressee | None:
    """Return where mail to somebody goes; holds no connection after."""
    return _addressee(_BY_ID.first(user_id=user_id))


def prove_address(person: Addressee) -> bool:
    """Note that somebody reads the mail of their address; False if it is not theirs any more."""
    user = _locked(person)
    if user is None:
        return False
    user.email_verified_at = user.email_verified_at or clock.now()
    db.session().flush()
    return True


def reset_password(person: Addressee, *, password_hash: str) -> bool:
    """Replace the password of somebody who reads the mail of their address; False if it is not theirs any more."""
    user = _locked(person)
    if user is None:
        return False
    user.password_hash = password_hash
    user.email_verified_at = user.email_verified_at or clock.now()
    db.session().flush()
    return True


def move_address(person: Addressee, *, email: str) -> bool:
    """Give somebody an address that they proved; raise EmailTaken if it is another's by now."""
    user = _locked(person)
    if user is None:
        return False
    move(user, email)
    return True


def take_back(person: Addressee, *, email: str) -> bool:
    """Give somebody an earlier address back, and make their password useless: whoever moved them knows it."""
    user = _locked(person)
    if user is None:
        return False
    user.password_hash = None
    move(user, email)
    return True


def _locked(person: Addressee) -> User | None:
    """Lock somebody, unless they were deleted, disabled or moved since they were looked up."""
    user = db.session().get(User, person.id, with_for_update={"key_share": True})
    if user is None or user.deleted_at is not None or not user.is_active or user.email != person.email:
        return None
    return user


def _addressee(row: Any) -> Addressee | None:  # noqa: ANN401 -- a row of users
    if row is None:
        return None
    return Addressee(row.id, row.username, row.email, row.email_verified_at is not None, row.is_active)
