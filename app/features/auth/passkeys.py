"""Passkeys (WebAuthn) as proof of who somebody is."""

from collections.abc import Mapping
from typing import Any

from app.core.errors import Unauthenticated


class InvalidPasskey(Unauthenticated):
    """Unknown key, wrong signature, foreign origin, spent challenge: one answer for all."""

    code = "INVALID_PASSKEY"
    message = "This passkey was not accepted. Ask for new options and try again, or sign in another way."


def prove(*, user_id: int, assertion: Mapping[str, Any]) -> None:  # noqa: ARG001 -- nobody can have a passkey yet
    """Raise InvalidPasskey unless this user signed a challenge of ours just now.

    Call it before the unit writes, after ``throttle.reserve``.
    """
    raise InvalidPasskey
