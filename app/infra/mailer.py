"""Hands mail over: to an SMTP server, or to a folder of .eml files."""

import os
import re
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol

from app.core import mailing
from app.core.config import Settings
from app.infra.smtp import MailDelayed, MailFailed, MailRefused, MailServerAway, SmtpServer

__all__ = [
    "MailDelayed",
    "MailFailed",
    "MailRefused",
    "MailServerAway",
    "connect",
    "deliver",
    "hang_up",
    "is_remote",
    "is_resting",
    "ping",
]

_GREETING_SECONDS = 2.0
"""So long one greeting of the server is believed: probes come often, and it has other work."""

_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 1.0, 30.0
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9-]")


class _Way(Protocol):
    def deliver(self, message: EmailMessage) -> None: ...
    def hang_up(self) -> None: ...


class _Folder:
    """Writes each mail to a file named after its Message-ID: a repetition replaces, it never doubles."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, message: EmailMessage) -> None:
        name = _NOT_IN_A_NAME.sub("_", str(message["Message-ID"]).strip("<>").partition("@")[0])
        partial = self._path / f".{name}.part"
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 -- from a descriptor
                file.write(message.as_bytes(policy=SMTP))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path / f"{name}.eml")
        except OSError as error:
            raise MailServerAway(f"the folder of mail cannot be written ({type(error).__name__})") from error

    def hang_up(self) -> None:
        pass


_way: _Way | SmtpServer
_greeted_at = float("-inf")
_failures = 0
_rests_until = 0.0


def connect(settings: Settings) -> None:
    """Choose the way that mail goes. Opens no connection."""
    global _way, _failures, _rests_until, _greeted_at  # noqa: PLW0603 -- one way for each process, known after assembly
    _failures, _rests_until, _greeted_at = 0, 0.0, float("-inf")
    if settings.mail_url:
        server, name = mailing.server_of(settings.mail_url), mailing.host_of(settings)
        _way = SmtpServer(server, seconds=settings.mail_seconds, name=name)
    else:
        _way = _Folder(settings.var_dir / "mail")


def deliver(message: EmailMessage) -> None:
    """Return once the mail is in other hands. A connection stays open for the next one, until ``hang_up``.

    Raises MailRefused for what never leaves, MailDelayed for what may leave later, MailServerAway if nothing leaves.
    """
    global _failures, _rests_until  # noqa: PLW0603 -- how long a server that is away is left alone
    try:
        _way.deliver(message)
    except MailServerAway:
        _rests_until = time.monotonic() + min(_FIRST_REST_SECONDS * 2**_failures, _LONGEST_REST_SECONDS)
        _failures = min(_failures + 1, 10)
        raise
    _failures = 0


def is_resting() -> bool:
    """Tell whether the server was away a moment ago, so that asking again would only cost time."""
    return time.monotonic() < _rests_until


def is_remote() -> bool:
    """Tell whether mail goes to a server."""
    return isinstance(_way, SmtpServer)


def ping() -> None:
    """Have the server greet, or raise OSError. It is asked every few seconds at most."""
    global _greeted_at  # noqa: PLW0603 -- when it did
    if isinstance(_way, SmtpServer) and time.monotonic() - _greeted_at > _GREETING_SECONDS:
        _way.ping()
        _greeted_at = time.monotonic()


def hang_up() -> None:
    """End the connection, if there is one."""
    _way.hang_up()
