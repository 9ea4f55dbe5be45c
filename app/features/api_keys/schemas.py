"""How API keys look on the wire."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.core.ids import UUID
from app.core.permissions import Permission
from app.web.schemas import Out, Schema, Timestamp

_DAY = 86_400

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$"),
]
Scopes = Annotated[list[Annotated[Permission, Field(strict=False)]], Field(max_length=200)]


class NewApiKey(Schema):
    """A key to make. Without scopes it can only read `/auth/me`. `expires_in` is in seconds, at most a year."""

    name: Name
    scopes: Scopes
    expires_in: int = Field(90 * _DAY, ge=1, le=365 * _DAY)


class ApiKeyOut(Out):
    """An API key; `prefix` is how its secret begins."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: Timestamp
    expires_at: Timestamp
    last_used_at: Timestamp | None


class MadeApiKeyOut(ApiKeyOut):
    """An API key with its secret, which is never shown again."""

    secret: str
