"""Mail that is handed to a real SMTP server."""

import socket
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from threading import Thread

import pytest

from app.core import mailing
from app.core.mailing import MailServer
from app.infra.smtp import MailDelayed, MailFailed, MailRefused, MailServerAway, SmtpServer
from tests.live import free_port
from tests.postbox import Postbox, certificate, postbox

PASSWORD = "s3cret%2F%23%3F%40"  # s3cret/#?@


def a_mail(*, to: str = "ada@engines.test", subject: str = "Greetings") -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "Carboy <carboy@carboy.test>", to, subject
    made["Message-ID"] = f"<{subject}@carboy.test>"
    made.set_content("Dear Zoë,\n\n.\nthat dot stood alone.\n")
    return made


def connected(url: str, seconds: float = 5) -> SmtpServer:
    return SmtpServer(mailing.server_of(url), seconds=seconds, name="carboy.test")


def send(url: str, message: EmailMessage | None = None, seconds: float = 5) -> None:
    server = connected(url, seconds)
    try:
        server.deliver(message or a_mail())
    finally:
        server.hang_up()


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as started:
        yield started


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the server for one on another machine."""
    monkeypatch.setattr(MailServer, "is_here", property(lambda _: False))


class TestDeliver:
    def test_hands_over_the_whole_mail(self, box: Postbox) -> None:
        send(box.url)

        (received,) = box.received
        assert received.get_content().splitlines() == ["Dear Zoë,", "", ".", "that dot stood alone."]
        assert received["From"] == "Carboy <carboy@carboy.test>"
        assert box.recipients == ["ada@engines.test"]
        assert str(box.sessions[0].host_name) == "carboy.test"

    def test_writes_foreign_domains_in_ascii(self, box: Postbox) -> None:
        send(box.url, a_mail(to="ada@b\u00fccher.test"))

        assert box.recipients == ["ada@xn--bcher-kva.test"]

    def test_uses_one_connection_for_many(self, box: Postbox) -> None:
        server = connected(box.url)

        for number in range(3):
            server.deliver(a_mail(subject=str(number)))
        server.hang_up()

        assert (box.subjects, len(box.sessions)) == (["0", "1", "2"], 1)

    def test_opens_another_where_the_server_closed_it(self, box: Postbox) -> None:
        server = connected(box.url)
        server.deliver(a_mail(subject="before"))
        box.stop()
        box.start()

        server.deliver(a_mail(subject="after"))
        server.hang_up()

        assert box.subjects == ["before", "after"]

    def test_goes_on_with_the_next_after_a_refusal(self, box: Postbox) -> None:
        server = connected(box.url)
        box.answers["RCPT"] = "550 5.1.1 unknown"
        with pytest.raises(MailRefused):
            server.deliver(a_mail(subject="refused"))
        box.answers.clear()

        server.deliver(a_mail(subject="next"))
        server.hang_up()

        assert (box.subjects, len(box.sessions)) == (["next"], 1)


class TestFailure:
    @pytest.mark.parametrize(
        ("step", "answer", "failure", "reason"),
        [
            ("MAIL", "550 5.7.1 not you", MailRefused, "the server refused the sender (550 5.7.1)"),
            ("MAIL", "451 4.3.0 later", MailDelayed, "the server refused the sender (451 4.3.0)"),
            ("MAIL", "421 closing", MailServerAway, "the server refused the sender (421)"),
            ("MAIL", "530 5.7.0 sign in", MailServerAway, "the server refused the sender (530 5.7.0)"),
            ("RCPT", "550 5.1.1 <ada@engines.test>", MailRefused, "the server refused the recipient (550 5.1.1)"),
            ("RCPT", "450 4.2.0 greylisted", MailDelayed, "the server refused the recipient (450 4.2.0)"),
            ("RCPT", "vanish", MailDelayed, "the connection was lost (SMTPServerDisconnected)"),
            ("DATA", "554 5.6.0 spam", MailRefused, "the server refused the content (554 5.6.0)"),
            ("DATA", "452 4.3.1 full", MailDelayed, "the server refused the content (452 4.3.1)"),
        ],
        ids=lambda given: given if isinstance(given, str) and given.isupper() else None,
    )
    def test_is_told_apart_and_names_no_address(
        self, box: Postbox, step: str, answer: str, failure: type[MailFailed], reason: str
    ) -> None:
        box.answers[step] = answer

        with pytest.raises(failure) as raised:
            send(box.url)

        assert (type(raised.value), raised.value.reason) == (failure, reason)
        assert box.received == []

    def test_to_connect_means_that_the_server_is_away(self) -> None:
        with pytest.raises(MailServerAway, match="does not answer"):
            send(f"smtp://127.0.0.1:{free_port()}")

    def test_to_greet_means_that_the_server_is_away(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            refusing = Thread(target=lambda: greet(server, b"554 no service\r\n"))
            refusing.start()

            with pytest.raises(MailServerAway, match=r"does not serve \(554\)"):
                send(f"smtp://127.0.0.1:{port}")
            refusing.join()

    @pytest.mark.parametrize("drip", [b"", b"2"], ids=["silence", "a byte now and then"])
    def test_to_answer_in_time_ends_at_the_limit(self, drip: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"smtp://127.0.0.1:{server.getsockname()[1]}"
            dripping = Thread(target=lambda: greet(server, *[drip] * 40, pause=0.1))
            dripping.start()
            started = time.monotonic()

            with pytest.raises(MailServerAway):
                send(url, seconds=0.5)

            assert time.monotonic() - started < 2
            dripping.join()


def greet(server: socket.socket, *words: bytes, pause: float = 0) -> None:
    """Say these words to the first who calls, slowly, until they leave."""
    caller, _ = server.accept()
    with caller:
        caller.settimeout(pause or 2)
        for word in words:
            try:
                caller.sendall(word)
                if caller.recv(1024) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return


class TestSecrecy:
    def test_speaks_tls_from_the_first_byte_when_told(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)

        with postbox(ssl_context=context) as box:
            send(box.url.replace("smtp://", "smtps://"))

        assert len(box.received) == 1

    def test_upgrades_where_the_server_offers_it(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)

        with postbox(tls_context=context) as box:
            send(box.url)

        assert box.sessions[0].ssl is not None

    def test_signs_in_with_percent_encoded_credentials(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)

        with postbox(tls_context=context, auth_required=True) as box:
            send(box.url.replace("//", f"//ada%40engines.test:{PASSWORD}@"))

        assert box.logins == [("ada@engines.test", "s3cret/#?@")]
        assert len(box.received) == 1

    def test_takes_wrong_credentials_for_a_fault_of_the_server(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)

        with (
            postbox(tls_context=context, auth_required=True) as box,
            pytest.raises(MailServerAway, match=r"credentials of MAIL_URL \(535\)"),
        ):
            send(box.url.replace("//", "//ada:wrong@"))

    @pytest.mark.usefixtures("elsewhere")
    def test_never_sends_a_password_in_clear_to_another_machine(self) -> None:
        with (
            postbox(auth_required=True, auth_require_tls=False) as box,
            pytest.raises(MailServerAway, match="a password is never sent in clear"),
        ):
            send(box.url.replace("//", f"//ada:{PASSWORD}@"))

        assert (box.logins, box.received) == ([], [])

    def test_may_send_a_password_in_clear_to_this_machine(self) -> None:
        with postbox(auth_required=True, auth_require_tls=False) as box:
            send(box.url.replace("//", f"//ada:{PASSWORD}@"))

        assert len(box.logins) == len(box.received) == 1

    @pytest.mark.usefixtures("elsewhere")
    def test_trusts_no_certificate_that_nobody_vouches_for(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)

        with (
            postbox(tls_context=context, auth_required=True) as box,
            pytest.raises(MailServerAway, match="SSLCertVerificationError"),
        ):
            send(box.url.replace("//", f"//ada:{PASSWORD}@"))

        assert (box.logins, box.received) == ([], [])

    @pytest.mark.usefixtures("elsewhere")
    def test_trusts_the_certificate_that_the_system_trusts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context, trusted = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

        with postbox(tls_context=context, auth_required=True) as box:
            send(box.url.replace("//", f"//ada:{PASSWORD}@"))

        assert len(box.received) == 1


class TestInjection:
    @pytest.mark.parametrize("header", ["To", "Subject"])
    def test_by_a_line_break_is_impossible(self, header: str) -> None:
        message = a_mail()
        del message[header]

        with pytest.raises(ValueError, match="linefeed"):
            message[header] = "ada@engines.test\r\nBcc: eve@evil.test"

    def test_of_a_second_recipient_is_impossible(self, box: Postbox) -> None:
        send(box.url, a_mail(to="ada@engines.test, eve@evil.test"))

        assert box.recipients == ["ada@engines.test"]
