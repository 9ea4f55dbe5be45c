"""How roles look on the wire."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.core.permissions import Permission
from app.web.schemas import ABSENT, Out, Schema

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,63}$")]
Description = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")]
Permissions = Annotated[list[Annotated[Permission, Field(strict=False)]], Field(max_length=200)]


class RoleOut(Out):
    """A role."""

    id: int
    name: str
    description: str
    permissions: list[str]
    built_in: bool


class NewRole(Schema):
    """A role to create."""

    name: RoleName
    description: Description = ""
    permissions: Permissions = []


class RoleChange(Schema):
    """What of a role to change."""

    name: RoleName = ABSENT
    description: Description = ABSENT
    permissions: Permissions = ABSENT


class PermissionOut(Out):
    """A permission and what it allows."""

    name: str
    description: str
