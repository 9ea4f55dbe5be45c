"""Backups come back into an instance of its own, whatever happened to it, to them or to who restores them."""

import shutil
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskCliRunner

from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.backups import restoring
from app.features.backups import service as backups
from app.features.backups.service import NotEmpty
from app.features.privacy import service as privacy
from app.infra import archive, db, migrations
from app.infra.archive import DiskFull
from tests.api import a_user
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.world import SERVICES, World

pytestmark = pytest.mark.skipif(SERVICES, reason="the drill restores there; here the source is the world's own SQLite")

Assemble = Callable[[str], None]


@pytest.fixture
def move(world: World, folder: Path, tmp_path: Path) -> Assemble:
    """Assemble an instance on the SQLite file of this name, with the same BACKUP_DIR; it may be empty."""

    def assemble(name: str) -> None:
        var = tmp_path / name
        world.with_settings(var_dir=var, database_url=f"sqlite:///{var / 'carboy.db'}", backup_dir=folder)
        var.mkdir(exist_ok=True)

    return assemble


def interrupt(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Restore a backup, and go once its database is loaded."""

    def go(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(restoring, "_examine", go)
        with pytest.raises(KeyboardInterrupt):
            backups.restore(name)


def erase(user_id: int) -> None:
    with db.unit_of_work():
        privacy.erase(user_id)


def is_erased(user_id: int) -> bool:
    with db.unit_of_work(writes=False):
        found = accounts.find_user(user_id)
    assert found is not None
    return found.username == f"erased-{user_id}"


class TestErased:
    def test_after_the_backup_are_erased_again(self, move: Assemble) -> None:
        stays, goes = a_user(), a_user()
        made = backups.create()
        erase(goes.id)
        move("new")

        found = backups.restore(made.name)

        assert found.erased == 1
        assert (is_erased(stays.id), is_erased(goes.id)) == (False, True)
        with db.apart(writes=False):
            assert audit.verify().fault is None

    def test_by_a_clock_that_was_set_back_meanwhile_as_well(self, move: Assemble, clock: Clock) -> None:
        goes = a_user()
        made = backups.create()
        clock.advance(days=-2)
        erase(goes.id)
        move("new")

        assert backups.restore(made.name).erased == 1
        assert is_erased(goes.id)

    def test_are_erased_again_after_a_restoration_by_hand(
        self, world: World, folder: Path, move: Assemble, tmp_path: Path
    ) -> None:
        goes = a_user()
        made = backups.create()
        opened = tmp_path / "opened"
        archive.unpack(folder / made.name, opened, keys=[backups.key()], expected=lambda _: "database.sqlite3")
        (tmp_path / "manifest.json").write_bytes(archive.manifest(folder / made.name, keys=[backups.key()]))
        erase(goes.id)
        move("new")
        shutil.move(opened / "database.sqlite3", tmp_path / "new" / "carboy.db")

        answer = FlaskCliRunner(world.app).invoke(args=["backup", "finish", str(tmp_path / "manifest.json")])

        assert "1 people" in answer.output
        assert is_erased(goes.id)
        assert audited("backup_restored")


class TestInterrupted:
    def test_after_loading_it_goes_on(self, move: Assemble, monkeypatch: pytest.MonkeyPatch) -> None:
        goes = a_user()
        made = backups.create()
        erase(goes.id)
        move("new")

        interrupt(monkeypatch, made.name)
        left = backups.interrupted()
        again = backups.restore(made.name)

        assert (left, again.erased) == (made.name, 1)
        assert backups.interrupted() is None

    def test_doctor_calls_it_a_fault(self, world: World, move: Assemble, monkeypatch: pytest.MonkeyPatch) -> None:
        made = backups.create()
        move("new")
        interrupt(monkeypatch, made.name)

        answer = FlaskCliRunner(world.app).invoke(args=["doctor"])

        assert answer.exit_code == 1
        assert f"the restoration of {made.name} was interrupted" in answer.output

    def test_and_used_since_it_is_refused(self, move: Assemble, monkeypatch: pytest.MonkeyPatch) -> None:
        a_user()
        made = backups.create()
        move("new")
        interrupt(monkeypatch, made.name)
        later = a_user()

        with pytest.raises(NotEmpty, match="interrupted"):
            backups.restore(made.name)
        assert not is_erased(later.id)

    def test_by_a_full_disk_while_files_are_placed_it_begins_anew(
        self, move: Assemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        move("old")
        migrations.upgrade()
        stored = tmp_path / "old" / "files" / "ab" / "cd"
        stored.parent.mkdir(parents=True)
        stored.write_bytes(b"a stored file")
        made = backups.create()
        move("new")

        def full(*_: Any) -> None:
            raise OSError(ENOSPC, "No space left on device")

        with monkeypatch.context() as filled:
            filled.setattr(shutil, "copy2", full)
            with pytest.raises(DiskFull):
                backups.restore(made.name)
        assert backups.restore(made.name).manifest.files == 1
        assert (tmp_path / "new" / "files" / "ab" / "cd").read_bytes() == b"a stored file"


class TestOlder:
    def test_revisions_are_migrated(self, move: Assemble) -> None:
        move("old")
        migrations.upgrade("0009")
        made = backups.create()
        move("new")

        assert backups.restore(made.name).revision == migrations.head()
