"""What can go wrong, without HTTP.

A failure that callers must be able to tell apart subclasses one of these beside the function that raises it,
with a stable ``code``; ``web/errors.py`` alone turns them into answers.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

Details = Mapping[str, Sequence[str]]


class Failure(Exception):
    """An anticipated refusal: a stable code, and a message for a person that says what to do next."""

    code: ClassVar[str] = "FAILURE"
    message: ClassVar[str] = "The request could not be carried out."

    def __init__(self, message: str | None = None, *, details: Details | None = None) -> None:
        super().__init__(message or self.message)
        self.details: Details = details or {}


class Invalid(Failure):
    """Fields that are well-formed but not acceptable; ``details`` names each and never echoes a value."""

    code = "VALIDATION_ERROR"
    message = "Some fields are not valid. See details."


class Malformed(Failure):
    """Bytes that are not what they claim to be."""

    code = "MALFORMED_REQUEST"
    message = "The body is not valid JSON."


class Unauthenticated(Failure):
    """No credentials, or dead ones (``presented``)."""

    code = "UNAUTHENTICATED"
    message = "Sign in and send the access token as 'Authorization: Bearer …'."
    presented: ClassVar[bool] = False


class InvalidToken(Unauthenticated):
    """A token that is forged, expired, revoked, or of another kind. One answer for all of these."""

    code = "INVALID_TOKEN"
    message = "The token is not valid or no longer valid. Sign in again."
    presented = True


class Forbidden(Failure):
    """The caller is known and may not."""

    code = "FORBIDDEN"
    message = "You do not have the permission that this needs."


class NotFound(Failure):
    """There is no such thing, or none that the caller may know of."""

    code = "NOT_FOUND"
    message = "There is nothing at this address."


class Conflict(Failure):
    """The request is right and the present state forbids it."""

    code = "CONFLICT"
    message = "The request conflicts with what is stored. Read it again and retry."


class EditedMeanwhile(Failure):
    """``If-Match`` names a version that is no longer the current one."""

    code = "PRECONDITION_FAILED"
    message = "This was changed meanwhile. Read it again and repeat your change."


class TooMany(Failure):
    """A limit is spent; ``retry_after`` is in whole seconds."""

    code = "RATE_LIMITED"
    message = "Too many requests. Wait as long as Retry-After says."

    def __init__(self, *, retry_after: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class Unavailable(Failure):
    """A neighbour that is needed does not answer; ``retry_after`` is in whole seconds."""

    code = "UNAVAILABLE"
    message = "The service cannot do this right now. Try again in a moment."
    retry_after: ClassVar[int] = 5
