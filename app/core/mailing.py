"""What MAIL_URL and MAIL_FROM say, and how addresses are written for a mail server."""

from dataclasses import dataclass, field
from email.headerregistry import AddressHeader, BaseHeader
from email.policy import SMTP
from ipaddress import ip_address
from typing import cast
from urllib.parse import unquote, urlsplit

import email_validator

from app.core.settings import Settings

_PORTS = {"smtp": 587, "smtps": 465}  # RFC 8314


class UnusableMailSetting(ValueError):
    """A setting of mail that nothing could be sent with; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over. ``tls``: from the first byte; otherwise by STARTTLS where that is offered."""

    host: str
    port: int
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_here(self) -> bool:
        """Tell whether what is said to it stays on this machine."""
        return _is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mail comes from."""

    name: str
    address: str


def server_of(url: str) -> MailServer:
    """Read MAIL_URL; user and password may be percent-encoded. Raise UnusableMailSetting."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UnusableMailSetting(_URL) from error
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    is_whole = parts.scheme in _PORTS and host and port != 0 and bool(user) == bool(password)
    # Something behind the host is most likely the rest of a password with a '/', '?' or '#' in it.
    if not is_whole or not host or parts.path not in {"", "/"} or parts.query or parts.fragment or "#" in url:
        raise UnusableMailSetting(_URL)
    if not all(part.isascii() and part.isprintable() for part in (host, user, password)):
        raise UnusableMailSetting("MAIL_URL must hold printable ASCII only: SMTP cannot carry other passwords.")
    return MailServer(host, port or _PORTS[parts.scheme], parts.scheme == "smtps", user, password)


def sender_of(settings: Settings) -> Sender:
    """Read MAIL_FROM, or make one up from the host of PUBLIC_URL. Raise UnusableMailSetting."""
    if not settings.mail_from:
        return Sender("", f"carboy@{host_of(settings)}")
    if not settings.mail_from.isprintable():
        raise UnusableMailSetting(_FROM)
    header = SMTP.header_factory("From", settings.mail_from)
    addresses = cast("AddressHeader", header).addresses
    if cast("BaseHeader", header).defects or len(addresses) != 1:
        raise UnusableMailSetting(_FROM)
    try:
        return Sender(addresses[0].display_name, in_ascii(addresses[0].addr_spec))
    except ValueError as error:
        raise UnusableMailSetting(_FROM) from error


def host_of(settings: Settings) -> str:
    """Return the name by which this service greets mail servers and names its mails."""
    host = urlsplit(settings.base_url).hostname or "localhost"
    try:
        ip_address(host)
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode()
    return "localhost"  # an address is no name


def in_ascii(address: str) -> str:
    """Return an address as every mail server understands it, or raise ValueError."""
    found = email_validator.validate_email(
        address, check_deliverability=False, allow_smtputf8=False, globally_deliverable=False
    )
    return found.ascii_email or found.normalized


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


_URL = (
    "MAIL_URL must be smtp://user:password@host:587 or smtps://user:password@host:465; user and password go together,"
    " and special characters in them are percent-encoded."
)
_FROM = "MAIL_FROM must be one address such as accounts@example.org, or Accounts <accounts@example.org>."
