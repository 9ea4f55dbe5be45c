"""How sign-in and sessions look on the wire."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from app.core.identifiers import EMAIL_LENGTH
from app.core.ids import UUID
from app.features.accounts.service import Email, Password, Username, UserOut
from app.features.factors import service as factors
from app.web.schemas import ABSENT, Line, Out, Query, Schema, Timestamp

Token = Annotated[str, StringConstraints(max_length=4096)]
LoginName = Annotated[str, StringConstraints(min_length=1, max_length=254)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=8, max_length=200, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$"),
]
Locale = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]

PasskeyName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")
]


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


Code = Annotated[str, StringConstraints(min_length=1, max_length=64)]


def _one_of(*names: str) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}


class Factor(Schema):
    """One second factor: the code of an authenticator, a recovery code, or what a passkey signed."""

    code: Code = ABSENT
    recovery_code: Code = ABSENT
    passkey: dict[str, JsonValue] = ABSENT

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        choices = [name for name in ("password", "code", "recovery_code", "passkey") if name in type(self).model_fields]
        if len(self.model_fields_set.intersection(choices)) != 1:
            message = f"Give exactly one of {', '.join(choices)}."
            raise ValueError(message)
        return self


class SecondStep(Factor):
    """The token of a sign-in that waits, and one second factor."""

    model_config = ConfigDict(json_schema_extra=_one_of("code", "recovery_code", "passkey"))

    mfa_token: Token


class Reauthentication(Factor):
    """The password, or one second factor."""

    model_config = ConfigDict(json_schema_extra=_one_of("password", "code", "recovery_code", "passkey"))

    password: Password = ABSENT


class TotpConfirmation(Schema):
    """What the authenticator shows."""

    code: Code


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


class AddressIn(Schema):
    """An address to send a link to. What is nobody's, or no address at all, is answered alike."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=EMAIL_LENGTH)]  # not Email: of no format


class LinkUse(Schema):
    """The code of a link by mail."""

    token: Token


class PasswordReset(LinkUse):
    """The code of a link by mail, and the new password."""

    new_password: Password


class EmailChange(Schema):
    """The address to change to."""

    new_email: Email


class PendingOut(Out):
    """What is said whether or not there is anything to wait for."""

    status: Literal["pending"]


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


class SecondStepOut(Out):
    """The first factor was right; send the token with one of these to `/auth/login/mfa`, within five minutes."""

    mfa_required: Literal[True]
    mfa_token: str
    methods: list[Literal["totp", "passkey", "recovery_code"]]


class ReauthenticationOut(Out):
    """Until when what needs it is allowed."""

    reauthenticated_until: Timestamp


class TotpOut(Out):
    """What an authenticator must know; shown once. The address is what its QR code says."""

    secret: str
    otpauth_uri: str


class RecoveryCodesOut(Out):
    """Codes that stand in for a lost factor, each once. They cannot be shown again."""

    recovery_codes: list[str]


class FactorsOut(Out):
    """Which second factors there are."""

    totp: bool
    passkeys: int
    recovery_codes_left: int


class MeOut(UserOut):
    """What a caller sees of themselves. `mfa_required`: permissions are withheld until a second factor is proven."""

    locale: str | None
    permissions: list[str]
    mfa_enabled: bool
    mfa_required: bool
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


class PasskeyRegistration(Schema):
    """A passkey that the browser made, and what to call it."""

    credential: factors.Attestation
    name: PasskeyName = "Passkey"


class PasskeyChange(Schema):
    """What to call a passkey."""

    name: PasskeyName


class PasskeyChoice(Schema):
    """The sign-in that is to be finished with a passkey, if there is one."""

    mfa_token: Token | None = None


class PasskeyLogin(Schema):
    """What a passkey signed."""

    credential: factors.Assertion
