"""The door of access: roles, who holds them, and the rule that nobody gives what they lack."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import BindParameter, ScalarSelect, Select, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from app.core.caller import Caller
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.paging import Page, PageRequest, page_of
from app.core.permissions import ADMIN, BUILT_IN_ROLES, EVERYTHING, MEANINGS, known
from app.features.access.models import Role, UserRole
from app.features.access.personal import erase, held_of
from app.features.audit import service as audit
from app.infra import db
from app.infra.listing import Listing
from app.infra.query import AnySelect, Query, Row, json_list
from app.web.versions import Guard

__all__ = [
    "BuiltInRole",
    "Escalation",
    "Meaning",
    "RoleInUse",
    "RoleNameTaken",
    "UserIdColumn",
    "change_role",
    "create_role",
    "delete_role",
    "ensure_built_in_roles",
    "erase",
    "get_role",
    "give_to_many",
    "held_of",
    "holders",
    "join_roles",
    "list_permissions",
    "list_roles",
    "lock_administrators",
    "permissions_of",
    "refuse_escalation",
    "refuse_to_overrule",
    "role_names",
    "roles_of",
    "set_roles",
]


T = TypeVar("T")

_ROLES = Role.__table__.c
_LIST = Listing(select(*_ROLES), orders={"id": (_ROLES.id,)})
_ONE = Query(select(*_ROLES).where(_ROLES.id == bindparam("role_id")))


class RoleNameTaken(Conflict):
    """Another role has this name."""

    code = "ROLE_NAME_TAKEN"
    message = "Another role has this name. Choose another."


class BuiltInRole(Conflict):
    """Built-in roles are described in the code."""

    code = "BUILT_IN_ROLE"
    message = "Built-in roles cannot be changed or deleted. Create a role of your own."


class RoleInUse(Conflict):
    """Somebody still holds the role."""

    code = "ROLE_IN_USE"
    message = "Some users still hold this role. Take it from them first."


class Escalation(Forbidden):
    """Nobody gives, takes or changes permissions that they lack themselves."""

    code = "PRIVILEGE_ESCALATION"
    message = "This touches permissions that you do not have yourself."


UserIdColumn = InstrumentedAttribute[int]
"""A column that names users, of any table."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A permission and what it allows."""

    name: str
    description: str


def list_permissions(*, page: PageRequest) -> Page[Meaning]:
    """Return the permissions there are."""
    return page_of([Meaning(permission.value, text) for permission, text in MEANINGS.items()], page)


def list_roles(*, page: PageRequest) -> Page[Row]:
    """Return roles by id."""
    return _LIST.page(page, sort="id")


def get_role(role_id: int) -> Row:
    """Return a role, or raise NotFound."""
    return _found(_ONE.first(role_id=role_id))


def create_role(*, name: str, description: str, permissions: Sequence[str], by: Caller) -> Role:
    """Make a role of permissions that its maker holds."""
    refuse_escalation(by, permissions)
    role = Role(name=name, description=description, permissions=_sorted(permissions), built_in=False)
    _store(role)
    audit.record("role_created", target=("role", role.id), detail={"name": name, "permissions": role.permissions})
    return role


def change_role(*, role_id: int, changes: Mapping[str, Any], guard: Guard, by: Caller) -> Role:
    """Change a role; its maker must hold what it had and what it gets."""
    role = _locked(role_id)
    guard(role.version)
    if role.built_in:
        raise BuiltInRole
    refuse_escalation(by, [*role.permissions, *changes.get("permissions", ())])
    before = role.permissions
    given = {name: _sorted(value) if name == "permissions" else value for name, value in changes.items()}
    changed = {name: value for name, value in given.items() if getattr(role, name) != value}
    for name, value in changed.items():
        setattr(role, name, value)
    _store(role)
    if changed:
        detail = {"fields": sorted(changed), "old": before, "new": role.permissions}
        audit.record("privilege_permissions_changed", target=("role", role.id), detail=detail)
    return role


def delete_role(*, role_id: int, guard: Guard, by: Caller) -> None:
    """Remove a role that nobody holds."""
    role = _locked(role_id)
    guard(role.version)
    if role.built_in:
        raise BuiltInRole
    refuse_escalation(by, role.permissions)
    if db.session().scalar(select(UserRole.user_id).where(UserRole.role_id == role_id).limit(1)) is not None:
        raise RoleInUse
    db.session().delete(role)
    db.session().flush()
    audit.record("role_deleted", target=("role", role_id), detail={"name": role.name, "permissions": role.permissions})


def set_roles(*, user_id: int, names: Iterable[str], by: Caller) -> bool:
    """Let a user hold exactly these roles; return whether that changed anything.

    Raises Invalid for an unknown role, Escalation if a role that is given or taken has what the giver lacks.
    """
    wanted = set(names)
    roles = {role.name: role for role in db.session().scalars(select(Role))}
    if not wanted <= roles.keys():
        raise Invalid(details={"roles": ["There is no such role. See /api/v1/roles."]})
    held = set(roles_of([user_id]).get(user_id, ()))
    given, taken = wanted - held, held - wanted
    if not given and not taken:
        return False
    refuse_escalation(by, [permission for name in given | taken for permission in roles[name].permissions])
    for name in given:
        db.session().add(UserRole(user_id=user_id, role_id=roles[name].id))
    if taken:
        gone = [roles[name].id for name in taken]
        db.session().execute(delete(UserRole).where(UserRole.user_id == user_id, UserRole.role_id.in_(gone)))
    db.session().flush()
    audit.record("authz_change", target=("user", user_id), detail={"old": sorted(held), "new": sorted(wanted)})
    return True


def give_to_many(*, role: str, user_ids: Sequence[int]) -> None:
    """Give a role to new users in one statement, without an audit line for each: seeding."""
    role_id = db.session().scalars(select(Role.id).where(Role.name == role)).one()
    db.session().execute(insert(UserRole), [{"user_id": user_id, "role_id": role_id} for user_id in user_ids])


def roles_of(user_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of the roles of each of these users, sorted, in one statement."""
    found: dict[int, list[str]] = {user_id: [] for user_id in user_ids}
    if not found:
        return found
    statement = (
        select(UserRole.user_id, Role.name)
        .join(Role, Role.id == UserRole.role_id)
        .where(UserRole.user_id.in_(found))
        .order_by(Role.name)
    )
    for user_id, name in db.session().execute(statement):
        found[user_id].append(name)
    return found


def permissions_of(user_id: int) -> frozenset[str]:
    """Return what a user may do."""
    statement = select(Role.permissions).join(UserRole, Role.id == UserRole.role_id).where(UserRole.user_id == user_id)
    return known({name for permissions in db.session().scalars(statement) for name in permissions})


def refuse_to_overrule(user_id: int, *, by: Caller) -> None:
    """Raise Escalation if the user may do what the caller may not; oneself is no higher than oneself.

    An API key may do less than its owner, so to it they are higher: it must not get at their account.
    """
    if by.user_id != user_id or by.key_id is not None:
        refuse_escalation(by, permissions_of(user_id))


def holders(role: str | BindParameter[str]) -> Select[int]:
    """Return a SELECT of the ids of those who hold a role, for use in a larger statement."""
    return select(UserRole.user_id).join(Role, Role.id == UserRole.role_id).where(Role.name == role)


def role_names(user_id: UserIdColumn) -> ScalarSelect[list[str]]:
    """Return the names of the roles of a user as a column of a larger SELECT."""
    held = select(json_list(Role.name)).join(UserRole, UserRole.role_id == Role.id).where(UserRole.user_id == user_id)
    return held.correlate_except(Role, UserRole).scalar_subquery()


def join_roles(statement: AnySelect, user_id: UserIdColumn) -> AnySelect:
    """Add ``role`` and ``role_permissions``: a row for each role a user holds, one with None if there is none."""
    return (
        statement.outerjoin(UserRole, UserRole.user_id == user_id)
        .outerjoin(Role, Role.id == UserRole.role_id)
        .add_columns(Role.name.label("role"), Role.permissions.label("role_permissions"))
    )


def lock_administrators() -> None:
    """Let one transaction at a time decide who is an administrator: two must not demote each other at once."""
    db.session().execute(select(Role.id).where(Role.name == ADMIN).with_for_update(key_share=True))


def ensure_built_in_roles() -> None:
    """Renew the rows of the built-in roles from the code; what a newer release gave them besides stays.

    Else an instance of the old code that starts during an upgrade would take rights from those who use the new one.
    """
    for name, (description, permissions) in BUILT_IN_ROLES.items():
        role = db.session().scalar(select(Role).where(Role.name == name))
        if role is None:
            role = Role(name=name, built_in=True, description="", permissions=[])
            db.session().add(role)
        wanted = _sorted(permissions | (set(role.permissions) - EVERYTHING))
        if role.permissions != wanted or role.description != description:
            role.permissions, role.description = wanted, description
    db.session().flush()


def _locked(role_id: int) -> Role:
    return _found(db.session().get(Role, role_id, with_for_update={"key_share": True}))


def _found(role: T | None) -> T:
    if role is None:
        raise NotFound
    return role


def _store(role: Role) -> None:
    try:
        with db.session().begin_nested():
            db.session().add(role)
            db.session().flush()
    except IntegrityError as error:
        raise RoleNameTaken from error


def _sorted(permissions: Iterable[str]) -> list[str]:
    return sorted({str(permission) for permission in permissions})


def refuse_escalation(by: Caller, permissions: Iterable[str]) -> None:
    """Raise Escalation if the caller lacks any of these that this version knows; that is audited."""
    lacking = known(set(permissions)) - by.permissions
    if lacking and not by.trusted:
        detail = {"permissions": sorted(lacking), "code": Escalation.code}
        db.after_rollback(lambda: audit.record("authz_fail", outcome="failure", actor=by, detail=detail))
        raise Escalation
