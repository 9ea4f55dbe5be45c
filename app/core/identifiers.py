"""The keys by which people are found: what makes two addresses, or two user names, the same.

Keys are computed here and not by ``lower()`` in the database, which folds differently on the two engines. The
local part and user names are ASCII, which ends look-alikes; mail always goes to the stored address, never to the
one that was typed into a form (CVE-2019-19844).
"""

import re
from unicodedata import normalize

import email_validator

from app.core.errors import Invalid

EMAIL_LENGTH = 254  # RFC 5321 4.5.3.1.3, less the angle brackets
USERNAME_LENGTH = 32
USERNAME_FORM = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{1,30}[A-Za-z0-9])$"
_USERNAME = re.compile(USERNAME_FORM)

RESERVED = frozenset(
    {"admin", "administrator", "api", "anonymous", "auth", "carboy", "console", "daemon", "everyone", "guest", "help"}
    | {"info", "mail", "me", "moderator", "nobody", "noreply", "operator", "owner", "postmaster", "root", "security"}
    | {"staff", "superuser", "support", "system", "webmaster"}
)

# Ownership is proved by a mail, not by the name: closed networks really use .test, .local and .example.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def email_key(email: str) -> str:
    """Return what makes an address unique; raise Invalid for what cannot be one.

    The check folds the domain as mail servers do (UTS 46). ``casefold()`` goes further and makes two domains of two
    owners one: whoever owns ``faß.test`` would be taken for ``fass.test``.
    """
    return normalize("NFC", _checked(email)).lower()


def _checked(email: str) -> str:
    if len(email) > EMAIL_LENGTH or any(sign <= " " for sign in email):
        raise Invalid(details={"email": [NOT_AN_EMAIL]})
    try:
        found = email_validator.validate_email(email, check_deliverability=False, allow_smtputf8=False, strict=True)
    except email_validator.EmailNotValidError as error:
        raise Invalid(details={"email": [NOT_AN_EMAIL]}) from error
    return found.normalized


NOT_AN_EMAIL = "This is not a valid e-mail address."


def username_key(username: str) -> str:
    """Return what makes a user name unique; raise Invalid for what cannot be one or is kept back."""
    if not _USERNAME.match(username) or username.endswith("\n"):
        raise Invalid(
            details={
                "username": [
                    "Use 3 to 32 letters, digits, dots, hyphens and underscores; begin and end with a letter or digit."
                ]
            }
        )
    return username.casefold()


def is_reserved(username: str) -> bool:
    """Tell whether a name would let its bearer pose as the service."""
    return username.casefold() in RESERVED


def login_key(login: str) -> str:
    """Fold what was typed at sign-in the way keys are folded, without judging it: unknown is unknown."""
    typed = normalize("NFC", login.strip())
    try:
        return email_key(typed)
    except Invalid:
        return typed.lower()[:EMAIL_LENGTH]
