"""Every permission and every built-in role: who may do what, on one page."""

from collections.abc import Set as AbstractSet
from enum import StrEnum


class Permission(StrEnum):
    """A right, named ``resource:action``."""

    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    USERS_DELETE = "users:delete"
    USERS_IMPERSONATE = "users:impersonate"
    ROLES_READ = "roles:read"
    ROLES_WRITE = "roles:write"
    AUDIT_READ = "audit:read"


MEANINGS: dict[Permission, str] = {
    Permission.USERS_READ: "List and read users.",
    Permission.USERS_WRITE: "Create and change users, give them roles, end their sessions.",
    Permission.USERS_DELETE: "Delete and restore users, and see deleted ones.",
    Permission.USERS_IMPERSONATE: "Act as another user for a quarter of an hour, named beside them in the audit trail.",
    Permission.ROLES_READ: "List and read roles and permissions.",
    Permission.ROLES_WRITE: "Create, change and delete roles.",
    Permission.AUDIT_READ: "Read the audit trail.",
}

EVERYTHING: frozenset[str] = frozenset(Permission)

ADMIN, USER = "admin", "user"

BUILT_IN_ROLES: dict[str, tuple[str, frozenset[str]]] = {
    ADMIN: ("May do everything.", EVERYTHING),
    USER: ("May use their own account.", frozenset()),
}
"""name: (description, permissions). The code is their only source: the database row is renewed from here."""


def known(permissions: AbstractSet[str]) -> frozenset[str]:
    """Keep what this version knows: a stored permission that was since removed gives nothing."""
    return EVERYTHING & permissions
