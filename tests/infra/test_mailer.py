"""Mail that becomes files, and the pause that a server which is away is given."""

import os
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from app.infra import mailer
from app.infra.mailer import MailServerAway
from tests.infra.test_smtp import a_mail
from tests.live import free_port
from tests.world import World, settings


@pytest.fixture(autouse=True)
def _put_back(world: World) -> Iterator[None]:
    yield
    mailer.connect(world.settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mailer.connect(settings(tmp_path))
    return tmp_path / "mail"


class TestFolder:
    def test_holds_a_file_for_each_mail(self, folder: Path) -> None:
        mailer.deliver(a_mail(subject="one"))
        mailer.deliver(a_mail(subject="two"))

        assert sorted(path.name for path in folder.iterdir()) == ["one.eml", "two.eml"]

    def test_holds_mail_that_programs_read(self, folder: Path) -> None:
        mailer.deliver(a_mail())

        read = message_from_bytes((folder / "Greetings.eml").read_bytes(), policy=default)
        assert (read["To"], read["Subject"]) == ("ada@engines.test", "Greetings")
        assert "Dear Zoë," in read.get_content()

    def test_holds_a_mail_once_however_often_it_is_sent(self, folder: Path) -> None:
        mailer.deliver(a_mail())
        mailer.deliver(a_mail())

        assert [path.name for path in folder.iterdir()] == ["Greetings.eml"]

    def test_is_not_for_others(self, folder: Path) -> None:
        mailer.deliver(a_mail())

        assert (folder.stat().st_mode & 0o777, (folder / "Greetings.eml").stat().st_mode & 0o777) == (0o700, 0o600)

    def test_is_never_left_by_a_message_id(self, folder: Path) -> None:
        message = a_mail()
        del message["Message-ID"]
        message["Message-ID"] = "<../../etc/passwd@evil.test>"

        mailer.deliver(message)

        assert [path.name for path in folder.iterdir()] == ["______etc_passwd.eml"]

    def test_never_shows_half_a_mail(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)

        with pytest.raises(MailServerAway, match="cannot be written"):
            mailer.deliver(a_mail())

        assert list(folder.glob("*.eml")) == []


class TestRest:
    def test_follows_a_server_that_is_away_and_grows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mailer.connect(settings(tmp_path, mail_url=f"smtp://127.0.0.1:{free_port()}"))
        at = [1000.0]
        monkeypatch.setattr("app.infra.mailer.time.monotonic", lambda: at[0])
        rests = []

        for _ in range(8):
            with pytest.raises(MailServerAway):
                mailer.deliver(a_mail())
            rests.append(mailer._rests_until - at[0])
            assert mailer.is_resting()
            at[0] = mailer._rests_until

        assert rests == [1, 2, 4, 8, 16, 30, 30, 30]
        assert not mailer.is_resting()
