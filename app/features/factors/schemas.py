"""What browsers send and get in the ceremonies of WebAuthn, in the standard's own JSON form (Level 3, 5.1)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import UUID
from app.web.schemas import Out, Timestamp

Base64Url = Annotated[str, StringConstraints(min_length=1, max_length=16_384, pattern=r"^[A-Za-z0-9_-]+={0,2}$")]
Handle = Annotated[str, StringConstraints(max_length=128, pattern=r"^[A-Za-z0-9_-]*={0,2}$")]
Word = Annotated[str, StringConstraints(max_length=32)]


class FromBrowser(BaseModel):
    """What a browser writes. Fields beyond these are not read: each level of the standard adds some."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)


class AttestationResponse(FromBrowser):
    """What an authenticator says of a new key."""

    client_data_json: Base64Url = Field(alias="clientDataJSON")
    attestation_object: Base64Url = Field(alias="attestationObject")
    transports: Annotated[list[Word], Field(max_length=16)] = []


class Attestation(FromBrowser):
    """A `RegistrationResponseJSON`: `toJSON()` of what `navigator.credentials.create()` gave."""

    id: Base64Url
    raw_id: Base64Url = Field(alias="rawId")
    type: Literal["public-key"]
    response: AttestationResponse


class AssertionResponse(FromBrowser):
    """What an authenticator signed."""

    client_data_json: Base64Url = Field(alias="clientDataJSON")
    authenticator_data: Base64Url = Field(alias="authenticatorData")
    signature: Base64Url
    user_handle: Handle | None = Field(None, alias="userHandle")


class Assertion(FromBrowser):
    """An `AuthenticationResponseJSON`: `toJSON()` of what `navigator.credentials.get()` gave."""

    id: Base64Url
    raw_id: Base64Url = Field(alias="rawId")
    type: Literal["public-key"]
    response: AssertionResponse


class ForBrowser(Out):
    """What a browser reads, in the names of the standard."""

    model_config = ConfigDict(serialize_by_alias=True)


class RelyingPartyOut(ForBrowser):
    """This service, as the browser shows it."""

    id: str
    name: str


class UserHandleOut(ForBrowser):
    """Whose key it is to be; `id` is opaque."""

    id: str
    name: str
    display_name: str = Field(alias="displayName")


class AlgorithmOut(ForBrowser):
    """A kind of key that is accepted (COSE)."""

    type: Literal["public-key"]
    alg: int


class DescriptorOut(ForBrowser):
    """A key that is registered already."""

    id: str
    type: Literal["public-key"]
    transports: list[str] = []


class SelectionOut(ForBrowser):
    """Which authenticators will do."""

    resident_key: str = Field(alias="residentKey")
    require_resident_key: bool = Field(alias="requireResidentKey")
    user_verification: str = Field(alias="userVerification")


class CreationOptionsOut(ForBrowser):
    """A `PublicKeyCredentialCreationOptionsJSON`, for `PublicKeyCredential.parseCreationOptionsFromJSON()`."""

    rp: RelyingPartyOut
    user: UserHandleOut
    challenge: str
    pub_key_cred_params: list[AlgorithmOut] = Field(alias="pubKeyCredParams")
    timeout: int
    exclude_credentials: list[DescriptorOut] = Field(alias="excludeCredentials")
    authenticator_selection: SelectionOut = Field(alias="authenticatorSelection")
    attestation: str


class RequestOptionsOut(ForBrowser):
    """A `PublicKeyCredentialRequestOptionsJSON`, for `PublicKeyCredential.parseRequestOptionsFromJSON()`."""

    challenge: str
    timeout: int
    rp_id: str = Field(alias="rpId")
    allow_credentials: list[DescriptorOut] = Field(alias="allowCredentials")
    user_verification: str = Field(alias="userVerification")


class PasskeyOut(Out):
    """A passkey. `backed_up`: it lives in a keychain that other devices share."""

    id: UUID
    name: str
    created_at: Timestamp
    last_used_at: Timestamp | None
    backed_up: bool
    transports: list[str]
    aaguid: UUID
