"""Finding and reading people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, select

from app.core.caller import Caller
from app.core.errors import Forbidden, NotFound
from app.core.paging import Page, PageRequest
from app.core.permissions import Permission
from app.features.access import service as access
from app.features.accounts.models import User
from app.infra import db, listing
from app.infra.query import AnySelect

_USERS = User.__table__.c
_SHOWN = (
    _USERS.id,
    _USERS.username,
    _USERS.email,
    _USERS.email_verified_at,
    _USERS.first_name,
    _USERS.last_name,
    _USERS.locale,
    _USERS.is_active,
    _USERS.version,
    _USERS.created_at,
    _USERS.updated_at,
    _USERS.deleted_at,
)
_SORTS: dict[str, ColumnElement[Any]] = {
    "id": _USERS.id,
    "username": _USERS.username_key,
    "email": _USERS.email_key,
    "created_at": _USERS.created_at,
    "updated_at": _USERS.updated_at,
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What may be known of a person. No secrets, so that it can travel anywhere."""

    id: int
    username: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    locale: str | None
    is_active: bool
    roles: Sequence[str]
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What to look for in the list of users."""

    q: str | None = None
    role: str | None = None
    active: bool | None = None
    deleted: Literal["false", "true", "all"] = "false"
    sort: str = "id"


def get_user(user_id: int, *, by: Caller) -> Profile:
    """Return a user, or raise NotFound; deleted ones are there only for those who may see them."""
    user = find_user(user_id)
    if user is None or (user.deleted_at is not None and not by.holds({Permission.USERS_DELETE})):
        raise NotFound
    return user


def find_user(user_id: int) -> Profile | None:
    """Return a user, also a deleted one."""
    row = db.session().execute(select(*_SHOWN).where(_USERS.id == user_id)).one_or_none()
    return None if row is None else profile(row, access.roles_of([user_id])[user_id])


def list_users(*, filters: Filters, page: PageRequest, by: Caller) -> Page[Profile]:
    """Return users that match, in three statements whatever their number: count, page, roles."""
    if filters.deleted != "false" and not by.holds({Permission.USERS_DELETE}):
        raise Forbidden
    name, descending = filters.sort.removeprefix("-"), filters.sort.startswith("-")
    keys = dict.fromkeys((_SORTS[name], _USERS.id))
    columns = dict.fromkeys((*_SHOWN, *keys))
    found = listing.page(_matching(select(*columns), filters), page, listing.Order(name, tuple(keys), descending))
    roles = access.roles_of([row.id for row in found.items])
    return found.with_items([profile(row, roles[row.id]) for row in found.items])


def _matching(statement: AnySelect, filters: Filters) -> AnySelect:
    if filters.deleted != "all":
        living = _USERS.deleted_at.is_(None)
        statement = statement.where(living if filters.deleted == "false" else ~living)
    if filters.active is not None:
        statement = statement.where(_USERS.is_active == filters.active)
    if filters.role is not None:
        statement = statement.where(_USERS.id.in_(access.holders(filters.role)))
    if filters.q is not None:
        statement = statement.where(_USERS.search_text.contains(filters.q.casefold(), autoescape=True))
    return statement


def join_users(statement: AnySelect, user_id: access.UserIdColumn) -> AnySelect:
    """Add the shown columns of a user who may come in: active and not deleted."""
    return statement.join(
        User.__table__, (_USERS.id == user_id) & _USERS.is_active.is_(True) & _USERS.deleted_at.is_(None)
    ).add_columns(*_SHOWN)


def profile(row: Any, roles: Iterable[str]) -> Profile:  # noqa: ANN401 -- a User or a row of its shown columns
    """Make a profile of what was read."""
    return Profile(
        id=row.id,
        username=row.username,
        email=row.email,
        email_verified=row.email_verified_at is not None,
        first_name=row.first_name,
        last_name=row.last_name,
        locale=row.locale,
        is_active=row.is_active,
        roles=list(roles),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )
