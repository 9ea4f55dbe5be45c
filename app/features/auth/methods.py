"""How somebody proved who they are: the values of ``methods`` on a session (RFC 8176), each method one line."""

PASSWORD = "pwd"  # noqa: S105 -- not a password but the word for one
ONE_TIME_PASSWORD = "otp"  # noqa: S105 -- as above
PASSKEY = "hwk"
RECOVERY_CODE = "rec"
"""A code kept for the loss of a factor; RFC 8176 has no word for it."""
PRESENCE = "user"
"""The user was there and proved it to their device."""

PROVIDER = "fed"
"""An account elsewhere; RFC 8176 has no word for it."""

IMPERSONATION = "impersonation"
"""Somebody else acts as the user; no method of proof, and RFC 8176 has no word for it."""

MFA = "mfa"
"""Two factors or more were proven."""
