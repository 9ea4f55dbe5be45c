"""How signing in elsewhere looks on the wire."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from app.core.ids import UUID
from app.web.schemas import Out, Query, Schema, Timestamp

Challenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
Verifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]


class ProviderOut(Out):
    """A provider to sign in with."""

    name: str
    title: str


class StartQuery(Query):
    """Where to go on to afterwards, and the PKCE challenge (S256) of an app that has no cookies."""

    next: str = ""
    code_challenge: Challenge | None = None


class CallbackQuery(Query):
    """What a provider sends back; more than this is its own affair."""

    model_config = ConfigDict(extra="ignore")

    state: str = ""
    code: str = ""
    error: str = ""
    iss: str = ""


class Exchange(Schema):
    """The code at the end of a sign-in, and the PKCE verifier if it was begun with a challenge."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    code_verifier: Verifier | None = None


class Linking(Schema):
    """Where to go on to afterwards."""

    next: Annotated[str, StringConstraints(max_length=1024)] = ""


class LinkOut(Out):
    """Where to send the browser."""

    url: str


class IdentityOut(Out):
    """An account elsewhere that signs in to yours."""

    id: UUID
    provider: str
    email: str | None
    created_at: Timestamp
    last_used_at: Timestamp | None
