"""What MAIL_URL and MAIL_FROM say."""

import pytest

from app.core import mailing
from app.core.config import load
from app.core.mailing import MailServer, Sender

pytestmark = pytest.mark.usefixtures("_nothing_is_set")


class TestServer:
    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("smtp://mail.test", MailServer("mail.test", 587, tls=False)),
            ("smtp://mail.test:25/", MailServer("mail.test", 25, tls=False)),
            ("smtps://mail.test", MailServer("mail.test", 465, tls=True)),
            ("smtp://[::1]:2525", MailServer("::1", 2525, tls=False)),
            ("smtp://ada:pass@mail.test", MailServer("mail.test", 587, tls=False, user="ada", password="pass")),
            (
                "smtps://ada%40carboy.test:s3cret%2F%23%3F%40@mail.test",
                MailServer("mail.test", 465, tls=True, user="ada@carboy.test", password="s3cret/#?@"),
            ),
        ],
    )
    def test_is_read_from_the_url(self, url: str, server: MailServer) -> None:
        assert mailing.server_of(url) == server

    def test_keeps_its_password_to_itself(self) -> None:
        assert "canary" not in repr(mailing.server_of("smtp://ada:canary@mail.test"))

    @pytest.mark.parametrize(
        ("host", "is_here"),
        [
            *((name, True) for name in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]")),
            *((name, False) for name in ("10.0.0.1", "mail.test", "localhost.evil.test", "127.0.0.1.evil.test")),
        ],
    )
    def test_knows_whether_it_is_on_this_machine(self, host: str, is_here: bool) -> None:  # noqa: FBT001 -- a parameter of the test
        assert mailing.server_of(f"smtp://{host}").is_here is is_here


class TestSender:
    @pytest.mark.parametrize(
        ("mail_from", "sender"),
        [
            ("accounts@carboy.test", Sender("", "accounts@carboy.test")),
            ("Accounts <accounts@carboy.test>", Sender("Accounts", "accounts@carboy.test")),
            ('"Doe, Jane" <jane@carboy.test>', Sender("Doe, Jane", "jane@carboy.test")),
            ("Zoë <zoe@b\u00fccher.test>", Sender("Zoë", "zoe@xn--bcher-kva.test")),
            ("root@localhost", Sender("", "root@localhost")),
        ],
    )
    def test_is_the_one_of_the_settings(self, mail_from: str, sender: Sender) -> None:
        assert mailing.sender_of(load(env_file=None, mail_from=mail_from)) == sender

    @pytest.mark.parametrize(
        ("public_url", "address"),
        [
            ("https://accounts.carboy.test/base", "carboy@accounts.carboy.test"),
            ("https://b\u00fccher.test", "carboy@xn--bcher-kva.test"),
            ("http://192.0.2.7:8000", "carboy@localhost"),
            ("http://[::1]:8000", "carboy@localhost"),
        ],
    )
    def test_is_made_up_from_the_public_url(self, public_url: str, address: str) -> None:
        assert mailing.sender_of(load(env_file=None, public_url=public_url)) == Sender("", address)
