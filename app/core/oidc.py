"""A provider to sign in with, as OIDC_PROVIDERS describes it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ENDPOINTS = ("authorize_url", "token_url", "userinfo_url")


class OidcProvider(BaseModel):
    """A provider to sign in with: OpenID Connect by its issuer, or plain OAuth 2 by its endpoints.

    ``emails_url`` answers with a list of ``{email, primary, verified}``, as GitHub's does, which tells no addresses
    otherwise. ``ca_file`` holds the certificates of a private authority.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
    title: Annotated[str, StringConstraints(max_length=100)] = ""
    client_id: Annotated[str, StringConstraints(min_length=1)]
    client_secret: str = Field("", repr=False)
    issuer: str = ""
    scopes: str = "openid email profile"
    authorize_url: str = ""
    token_url: str = ""
    userinfo_url: str = ""
    emails_url: str = ""
    ca_file: str = ""

    @property
    def label(self) -> str:
        """Return the name that people read."""
        return self.title or self.name.capitalize()

    @property
    def urls(self) -> dict[str, str]:
        """Return every address that is given, by its field."""
        given = {name: getattr(self, name) for name in ("issuer", *ENDPOINTS, "emails_url")}
        return {name: url for name, url in given.items() if url}
