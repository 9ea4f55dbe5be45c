"""A real SMTP server that keeps what it is handed, and refuses what it is told to."""

import logging
import ssl
from asyncio import get_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.live import free_port


class Postbox:
    """``answers`` are given instead of yes: to MAIL, RCPT or DATA. ``said`` is every command that came."""

    def __init__(self, *, port: int | None = None, **options: Any) -> None:
        self.port = port or free_port()
        self.answers: dict[str, str] = {}
        self.received: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.sessions: list[Session] = []
        self.logins: list[tuple[str, str]] = []
        self.on_mail: Callable[[], object] = lambda: None
        """Called when a mail was taken, before its sender is told."""
        self._options = options
        self._controller: Any = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        """Return the Message-IDs in the order in which mail came."""
        return [str(message["Message-ID"]) for message in self.received]

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.received]

    def start(self) -> None:
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # its lines are not those of the service under test
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=10, **self._options)
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password == b"s3cret/#?@", handled=False)

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's protocol
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if session not in self.sessions:
            self.sessions.append(session)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's protocol
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.answers.get("RCPT", "250 OK")
        if answer == "vanish":
            assert server.transport
            server.transport.close()
        envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's protocol
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.received.append(message_from_bytes(envelope.content, EmailMessage, policy=default))
            self.recipients.extend(envelope.rcpt_tos)
            await get_running_loop().run_in_executor(None, self.on_mail)
        return answer


@contextmanager
def postbox(**options: Any) -> Iterator[Postbox]:
    """Serve SMTP on this machine."""
    box = Postbox(**options)
    if "auth_required" in options:
        options.pop("auth_required")
        box._options = {**options, "authenticator": box.authenticate, "auth_exclude_mechanism": ["LOGIN"]}
    box.start()
    try:
        yield box
    finally:
        box.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1; return a server's context, and the file that whoever trusts it reads."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public
