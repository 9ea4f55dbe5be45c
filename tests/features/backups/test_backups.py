"""Backups are made, kept, tried and let go."""

import os
from dataclasses import replace
from datetime import timedelta
from errno import ENOSPC, EROFS
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskCliRunner

from app.core.age import identity
from app.features.backups import erasures, shelf
from app.features.backups import service as backups
from app.features.backups.service import BackupFaulty, BackupRunning, FolderUnusable, MadeByNewerRelease, NotEmpty
from app.infra import archive, dumps
from app.infra.archive import DiskFull, Unreadable, WrongKey
from tests.api import a_user
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.world import World


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def figure(name: str) -> float:
    return next(value for one in backups.figures() for _, value in one.values if one.name == name)


class TestCreate:
    def test_makes_one_file_that_says_what_is_in_it(self, folder: Path) -> None:
        a_user()

        made = backups.create()

        (listed,) = backups.list_backups()
        assert names(folder) == [made.name] == [listed.name]
        assert listed.manifest is not None
        assert listed.manifest.rows["users"] == 1
        assert audited("backup_created")

    def test_is_refused_while_another_one_runs(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        refused: list[str] = []

        def meanwhile(*_: Any) -> dumps.Taken:
            with pytest.raises(BackupRunning):
                backups.create()
            refused.append("second")
            raise DiskFull

        monkeypatch.setattr(dumps, "take", meanwhile)

        with pytest.raises(DiskFull):
            backups.create()
        assert refused == ["second"]

    def test_leaves_nothing_of_an_attempt_that_failed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = backups.create()

        def full(*_: Any, **__: Any) -> None:
            raise DiskFull

        monkeypatch.setattr(archive, "write", full)

        with pytest.raises(DiskFull):
            backups.create()
        assert names(folder) == [made.name]

    def test_on_a_full_disk_makes_room_for_the_next_attempt(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newest = backups.create()
        (folder / "carboy-20250101T000000Z-abcdef.tar.gz.age").touch()

        def full(*_: Any, **__: Any) -> None:
            raise DiskFull

        monkeypatch.setattr(archive, "write", full)

        with pytest.raises(DiskFull):
            backups.create()
        assert names(folder) == [newest.name]

    def test_takes_files_and_nothing_else(self, tmp_path: Path) -> None:
        """Whoever opens a pipe that nobody writes to waits for ever."""
        (tmp_path / "a file").touch()
        (tmp_path / "a link").symlink_to("a file")
        os.mkfifo(tmp_path / "a pipe")

        assert shelf.files_of(tmp_path) == [("files/a file", tmp_path / "a file")]

    @pytest.mark.parametrize(("error", "named"), [(EROFS, FolderUnusable), (ENOSPC, DiskFull)])
    def test_names_what_is_wrong_with_the_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, error: int, named: type[Exception]
    ) -> None:
        def refused(**_: Any) -> str:
            raise OSError(error, "no")

        monkeypatch.setattr(shelf, "mkdtemp", refused)

        with pytest.raises(named):
            backups.create()

    def test_says_that_the_folder_is_not_its_own(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(**_: Any) -> str:
            raise PermissionError

        monkeypatch.setattr(shelf, "mkdtemp", refused)

        with pytest.raises(FolderUnusable):
            backups.create()

    def test_removes_what_somebody_who_was_killed_left(self, folder: Path) -> None:
        (folder / ".work-left").mkdir(parents=True)
        (folder / ".carboy-left.partial").touch()

        made = backups.create()

        assert names(folder) == [made.name]


class TestList:
    def test_says_what_it_cannot_open(self, world: World, folder: Path) -> None:
        backups.create()
        world.with_settings(backup_dir=folder, secret_key=("another secret, of more than thirty-two signs",))

        (listed,) = backups.list_backups()

        assert listed.manifest is None
        assert listed.fault == WrongKey.code

    def test_shows_nothing_that_is_not_whole(self, folder: Path) -> None:
        folder.mkdir()
        (folder / ".carboy-20260109T120000Z-abcdef.tar.gz.age.partial").touch()
        (folder / "carboy-20260109.tar.gz.age").touch()

        assert list(backups.list_backups()) == []


class TestKeys:
    def test_of_a_secret_that_is_still_in_the_list_open_older_backups(self, world: World, folder: Path) -> None:
        backups.create()
        new = "a newer secret of the tests, thirty-two and more"
        world.with_settings(backup_dir=folder, secret_key=(new, *world.settings.secret_key))

        assert backups.verify().lost == 0

    def test_that_are_given_go_before_and_the_others_still_open(self, world: World, folder: Path) -> None:
        backups.create()
        world.with_settings(backup_dir=folder, backup_key=(identity(b"k" * 32),))

        backups.verify()
        made = backups.create()

        assert backups.key() == identity(b"k" * 32)
        assert archive.manifest(folder / made.name, keys=[backups.key()])


class TestVerify:
    def test_restores_on_trial_and_remembers_it(self, folder: Path, clock: Clock) -> None:
        a_user()
        backups.create()
        before = dumps.counted()

        found = backups.verify()

        assert found.noted
        assert found.lost == 0
        assert dumps.counted() | {"audit_events": 0, "backups": 0} == before | {"audit_events": 0, "backups": 0}
        assert figure("backup_last_verified_restore_timestamp_seconds") == clock.at.timestamp()
        assert audited("backup_verified")
        assert len(names(folder)) == 1

    def test_finds_rows_that_are_missing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        take = dumps.take

        def miscounted(*given: Any) -> dumps.Taken:
            taken = take(*given)
            return replace(taken, rows=taken.rows | {"users": 7})

        monkeypatch.setattr(dumps, "take", miscounted)
        backups.create()

        with pytest.raises(BackupFaulty, match="users"):
            backups.verify()
        assert figure("backup_last_verified_restore_timestamp_seconds") == 0
        assert audited("backup_verified")

    def test_says_that_a_newer_release_made_it(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        take = dumps.take
        monkeypatch.setattr(dumps, "take", lambda *given: replace(take(*given), revision="9999"))
        backups.create()

        with pytest.raises(MadeByNewerRelease, match="9999"):
            backups.verify()

    def test_notes_what_is_damaged(self, folder: Path) -> None:
        made = backups.create()
        path = folder / made.name
        path.write_bytes(path.read_bytes()[:-10])

        with pytest.raises(Unreadable):
            backups.verify()
        assert audited("backup_verified")


class TestRestore:
    def test_is_refused_where_somebody_is(self, folder: Path) -> None:
        a_user()
        made = backups.create()
        before = dumps.counted()

        with pytest.raises(NotEmpty, match="users"):
            backups.restore(made.name)
        assert dumps.counted() == before

    def test_is_refused_where_files_are(self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = backups.create()
        monkeypatch.setattr(dumps, "counted", dict)
        files = world.settings.files_dir
        files.mkdir()
        (files / "somebodys").touch()

        try:
            with pytest.raises(NotEmpty, match="files"):
                backups.restore(made.name)
        finally:
            (files / "somebodys").unlink()
            files.rmdir()


class TestRetention:
    def test_keeps_the_newest_and_the_newest_that_was_verified(self, folder: Path, clock: Clock) -> None:
        verified = backups.create().name
        backups.verify()
        clock.advance(days=1)
        backups.create()
        clock.advance(days=1)
        newest = backups.create().name
        clock.advance(days=31)

        gone = backups.prune()

        assert len(gone) == 1
        assert names(folder) == sorted([verified, newest])
        assert audited("backup_deleted")

    def test_keeps_what_is_young(self, folder: Path, clock: Clock) -> None:
        backups.create()
        clock.advance(days=29)
        backups.create()

        assert backups.prune() == []

    def test_keeps_a_verified_one_that_is_still_there(self, folder: Path, clock: Clock) -> None:
        there = backups.create().name
        backups.verify()
        clock.advance(days=1)
        gone = backups.create().name
        backups.verify()
        (folder / gone).unlink()
        clock.advance(days=1)
        newest = backups.create().name
        clock.advance(days=31)

        backups.prune()

        assert names(folder) == [there, newest]


class TestTimetable:
    def test_makes_one_in_time_and_tries_it_every_week(self, folder: Path, clock: Clock) -> None:
        backups.run_due()
        tried = figure("backup_last_verified_restore_timestamp_seconds")
        clock.advance(hours=23)
        backups.run_due()
        early = len(names(folder))
        clock.advance(hours=1)
        backups.run_due()
        not_yet = figure("backup_last_verified_restore_timestamp_seconds")
        clock.advance(days=6)
        backups.run_due()

        assert (early, len(names(folder))) == (1, 3)
        assert tried == not_yet == (clock.at - timedelta(days=7)).timestamp()
        assert figure("backup_last_verified_restore_timestamp_seconds") == clock.at.timestamp()

    def test_makes_one_although_a_clock_that_was_ahead_made_one(self, folder: Path, clock: Clock) -> None:
        clock.advance(days=400)
        backups.run_due()
        (ahead,) = names(folder)
        clock.advance(days=-400)

        backups.run_due()

        (made,) = set(names(folder)) - {ahead}
        assert figure("backup_last_success_timestamp_seconds") == clock.at.timestamp()
        assert figure("backup_last_verified_restore_timestamp_seconds") == clock.at.timestamp()
        assert next(iter(backups.list_backups())).name == made

    def test_makes_none_in_development(self, world: World, tmp_path: Path) -> None:
        world.with_settings(backup_dir=tmp_path / "backups")

        backups.run_due()

        assert not (tmp_path / "backups").exists()
        assert figure("backup_interval_seconds") == 0


class TestErasures:
    def test_are_repeated_for_those_who_went_after_the_backup_and_for_nobody_else(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        erased: list[int] = []
        erasures.note(tmp_path, 1)
        clock.advance(hours=1)
        made_at = clock.at
        clock.advance(hours=1)
        erasures.note(tmp_path, 2)

        def erase(number: int) -> bool:
            erased.append(number)
            return True

        count = erasures.repeat(tmp_path, since=made_at, erase=erase)

        assert (count, erased) == (1, [2])


class TestCommands:
    @pytest.mark.parametrize(
        ("arguments", "said"), [(["verify"], "no such backup"), (["restore", "x"], "no such backup")]
    )
    def test_exit_with_1_and_say_why(self, world: World, folder: Path, arguments: list[str], said: str) -> None:
        answer = FlaskCliRunner(world.app).invoke(args=["backup", *arguments])

        assert answer.exit_code == 1
        assert said in answer.output

    def test_lead_from_one_to_the_next(self, world: World, folder: Path) -> None:
        run = FlaskCliRunner(world.app).invoke

        answers = [run(args=["backup", name]) for name in ("create", "verify", "list", "prune")]

        assert [answer.exit_code for answer in answers] == [0, 0, 0, 0]
        assert "unbroken" in answers[1].output
        assert "verified 20" in answers[2].output
        assert "0 backups" in answers[3].output
