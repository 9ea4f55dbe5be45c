"""How sign-in and sessions look on the wire."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.core.ids import UUID
from app.features.accounts.service import Email, Password, Username, UserOut
from app.web.schemas import ABSENT, Line, Out, Query, Schema, Timestamp

Token = Annotated[str, StringConstraints(max_length=4096)]
LoginName = Annotated[str, StringConstraints(min_length=1, max_length=254)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=8, max_length=200, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$"),
]
Locale = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class Registration(Schema):
    """An account to make. The role is always `user`."""

    username: Username
    email: Email
    password: Password
    first_name: Line = ""
    last_name: Line = ""


class Login(Schema):
    """An address or a user name, and its password."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["email"]}, {"required": ["username"]}]},
    )

    email: LoginName = ABSENT
    username: LoginName = ABSENT
    password: Password

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if len({"email", "username"} & self.model_fields_set) != 1:
            message = "Give email or username, one of them."
            raise ValueError(message)
        return self

    @property
    def name(self) -> str:
        """Return what the account is named by."""
        return self.email or self.username or ""


class Refresh(Schema):
    """The refresh token, unless it is sent as bearer."""

    refresh_token: Token


class LogoutQuery(Query):
    """Which sessions to end."""

    scope: Literal["local", "others", "global"] = "local"


class OthersQuery(Query):
    """Which session stays."""

    but: Literal["current"] = Field("current", alias="except")


class PasswordChange(Schema):
    """The present password and the new one."""

    current_password: Password
    new_password: Password


class MeChange(Schema):
    """What of one's own profile to change."""

    first_name: Line = ABSENT
    last_name: Line = ABSENT
    locale: Locale | None = ABSENT


class NewImpersonation(Schema):
    """Why somebody acts as another; they read it in a mail, and it is in the audit trail."""

    reason: Reason


class ImpersonationOut(Out):
    """An access token that acts as somebody else; its lifetime in seconds."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: UserOut


class TokenPairOut(Out):
    """Tokens (RFC 6749 names); lifetimes in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_expires_in: int
    user: UserOut


class MeOut(UserOut):
    """What a caller sees of themselves."""

    locale: str | None
    permissions: list[str]
    mfa_enabled: bool
    auth_time: Timestamp


class SessionOut(Out):
    """A sign-in; `methods` after RFC 8176."""

    id: UUID
    current: bool
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp
    ip: str | None
    user_agent: str | None
    methods: list[str]


class KeyOut(Out):
    """A public key (RFC 7517)."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class KeysOut(Out):
    """A JSON Web Key Set."""

    keys: list[KeyOut]
