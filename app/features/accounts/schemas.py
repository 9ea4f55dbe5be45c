"""How people look on the wire."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.core.identifiers import EMAIL_LENGTH, USERNAME_FORM, USERNAME_LENGTH
from app.core.passwords import MAX_LENGTH
from app.web.paging import PageQuery
from app.web.schemas import ABSENT, Line, Out, Schema, Timestamp

Username = Annotated[str, StringConstraints(min_length=3, max_length=USERNAME_LENGTH, pattern=USERNAME_FORM)]
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=EMAIL_LENGTH),
    Field(json_schema_extra={"format": "email"}),
]
Password = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_LENGTH),
    Field(json_schema_extra={"format": "password"}),
]
Roles = Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=50)]


class UserOut(Out):
    """A user."""

    id: int
    username: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    is_active: bool
    roles: list[str]
    created_at: Timestamp
    updated_at: Timestamp


class UserRecord(UserOut):
    """A user, for those who may see deleted ones."""

    deleted_at: Timestamp | None


class NewUser(Schema):
    """A user to create. Without a password they cannot sign in with one until they set it."""

    username: Username
    email: Email
    password: Password | None = None
    first_name: Line = ""
    last_name: Line = ""
    is_active: bool = True
    roles: Roles = ["user"]


class UserReplacement(Schema):
    """All of a user that can be set; what is left out goes back to its default."""

    username: Username
    email: Email
    first_name: Line = ""
    last_name: Line = ""
    is_active: bool = True
    roles: Roles = ["user"]


class UserChange(Schema):
    """What of a user to change."""

    username: Username = ABSENT
    email: Email = ABSENT
    first_name: Line = ABSENT
    last_name: Line = ABSENT
    is_active: bool = ABSENT
    roles: Roles = ABSENT


Sort = Literal[
    "id",
    "-id",
    "username",
    "-username",
    "email",
    "-email",
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
]


class UserQuery(PageQuery):
    """Filters of the list of users; ``q`` finds part of a user name, an address or a name."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    role: Annotated[str, StringConstraints(max_length=64)] | None = None
    active: bool | None = None
    deleted: Literal["false", "true", "all"] = "false"
    sort: Sort = "id"
