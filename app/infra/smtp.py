"""SMTP (RFC 5321), as one who submits mail speaks it: one mail at a time, over TLS wherever that can be had."""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTP
from threading import Timer
from typing import cast

from app.core import mailing
from app.core.mailing import MailServer

_GREETING_SECONDS = 1.0

_OK, _READY = 250, 220
_PERMANENT, _TEMPORARY = 500, 400
_ABOUT_US = frozenset({421, 530, 534, 535, 538})
"""Answers that concern the connection or our credentials, and no mail: RFC 5321 3.8, RFC 4954 6."""

_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463


class MailFailed(Exception):
    """A mail did not leave. ``reason`` may be stored and logged: it never holds what the server said of an address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MailRefused(MailFailed):
    """The server will never take this mail (5xx)."""


class MailDelayed(MailFailed):
    """The server may take this mail later (4xx), or was lost while it took it."""


class MailServerAway(MailFailed):
    """The server takes no mail now, whichever it is: unreachable, unsafe, or not letting us in."""


class SmtpServer:
    """One server. Its connection is opened on first use and used until ``hang_up``; not for several threads at once."""

    def __init__(self, server: MailServer, *, seconds: float, name: str) -> None:
        self._server = server
        self._seconds = seconds
        self._name = name
        self._connection: smtplib.SMTP | None = None

    def deliver(self, message: EmailMessage) -> None:
        """Hand one mail over within the time limit."""
        sender, recipient = _address(message, "From"), _address(message, "To")
        content = message.as_bytes(policy=SMTP)
        with self._in_time():
            try:
                connection = self._ready()
                self._check("sender", *connection.mail(sender))
            except MailServerAway:
                self._drop()
                raise
            except OSError as error:  # every failure of smtplib, ssl and socket is one
                self._drop()
                raise MailServerAway(_reason(error)) from error
            try:
                self._check("recipient", *connection.rcpt(recipient))
                self._check("content", *connection.data(content))
            except smtplib.SMTPDataError as error:
                self._check("content", error.smtp_code, _bytes(error.smtp_error))
            except OSError as error:
                self._drop()
                raise MailDelayed(f"the connection was lost ({type(error).__name__})") from error

    def ping(self) -> None:
        """Have the server greet, or raise OSError; says who we are to nobody."""
        seconds = min(self._seconds, _GREETING_SECONDS)
        with socket.create_connection((self._server.host, self._server.port), seconds) as there:
            if not self._server.tls and there.recv(3) != str(_READY).encode():
                raise ConnectionRefusedError
            if not self._server.tls:
                there.sendall(b"QUIT\r\n")

    def hang_up(self) -> None:
        """Say goodbye."""
        if self._connection is not None:
            with self._in_time(), suppress(OSError):
                self._connection.quit()
            self._drop()

    def _ready(self) -> smtplib.SMTP:
        """Return a connection that begins a new mail: the last one's if it still answers."""
        if self._connection is not None:
            with suppress(OSError):
                if self._connection.rset()[0] == _OK:
                    return self._connection
            self._drop()
        return self._open()

    def _open(self) -> smtplib.SMTP:
        server = self._server
        connection = self._made()
        self._connection = connection
        connection._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001 -- a constructor that is told connects, before anyone can cut it off
        code, _ = connection.connect(server.host, server.port)
        if code != _READY:
            raise MailServerAway(f"the server does not serve ({code})")
        connection.ehlo_or_helo_if_needed()
        if not server.tls and connection.has_extn("starttls"):
            connection.starttls(context=self._trust())
            connection.ehlo()
        elif not server.tls and server.user and not server.is_here:
            raise MailServerAway("the server offers no STARTTLS, and a password is never sent in clear")
        if server.user:
            connection.login(server.user, server.password)
        return connection

    def _made(self) -> smtplib.SMTP:
        if self._server.tls:
            return smtplib.SMTP_SSL(timeout=self._seconds, local_hostname=self._name, context=self._trust())
        return smtplib.SMTP(timeout=self._seconds, local_hostname=self._name)

    def _trust(self) -> ssl.SSLContext:
        """Verify whom we speak to; on this machine nobody else can answer, and certificates are seldom real."""
        context = ssl.create_default_context()
        if self._server.is_here:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _check(self, part: str, code: int, answer: bytes) -> None:
        """Raise what the answer to a part of the mail means, unless it is yes."""
        if code in {_OK, 251}:
            return
        found = _ENHANCED.match(answer)
        reason = f"the server refused the {part} ({code}{f' {found[0].decode()}' if found else ''})"
        if code in _ABOUT_US and part == "sender":
            raise MailServerAway(reason)
        if code >= _PERMANENT:
            raise MailRefused(reason)
        if code < _TEMPORARY:
            self._drop()  # nonsense, or nothing: -1 is smtplib's for an answer that is none
        raise MailDelayed(reason)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Cut the connection once the time is over: smtplib's own limit begins anew with every byte."""
        timer = Timer(self._seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _address(message: EmailMessage, name: str) -> str:
    header = cast("AddressHeader", message[name])
    return mailing.in_ascii(header.addresses[0].addr_spec)


def _reason(error: OSError) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the server does not accept the credentials of MAIL_URL ({error.smtp_code})"
    return f"the server does not answer ({type(error).__name__})"


def _bytes(answer: bytes | str) -> bytes:
    return answer if isinstance(answer, bytes) else answer.encode(errors="replace")
