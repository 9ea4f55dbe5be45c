"""What is written comes back; what is not exactly that is refused, and never half believed."""

import gzip
import hashlib
import io
import os
import resource
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyrage  # type: ignore[import-untyped]  # it has no types
import pytest

from app.core import age
from app.infra import archive
from app.infra.archive import DiskFull, Unreadable, WrongKey

KEY, OTHER = age.identity(b"k" * 32), age.identity(b"o" * 32)
CHUNK = (1 << 16) + 16
"""age encrypts 64 KiB at a time, and adds 16 bytes to each."""

Members = list[tuple[str, Path]]


def named(_manifest: bytes) -> str:
    return "database.dump"


@pytest.fixture
def members(tmp_path: Path) -> Members:
    (tmp_path / "m").write_text('{"made": "up"}')
    (tmp_path / "d").write_bytes(os.urandom(400_000))
    (tmp_path / "f").write_text("a file")
    return [(archive.MANIFEST, tmp_path / "m"), ("database.dump", tmp_path / "d"), ("files/a/b", tmp_path / "f")]


@pytest.fixture
def written(tmp_path: Path, members: Members) -> Path:
    path = tmp_path / "backup.age"
    archive.write(path, members, key=KEY)
    return path


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def header(data: bytes) -> int:
    """Return where the first chunk begins: behind the line of the MAC and 16 bytes."""
    return data.index(b"\n", data.index(b"\n---") + 1) + 1 + 16


def swapped(data: bytes) -> bytes:
    at = header(data)
    first, second = data[at : at + CHUNK], data[at + CHUNK : at + 2 * CHUNK]
    return data[:at] + second + first + data[at + 2 * CHUNK :]


def without_the_second_chunk(data: bytes) -> bytes:
    at = header(data)
    return data[: at + CHUNK] + data[at + 2 * CHUNK :]


def cut_after_a_chunk(data: bytes) -> bytes:
    return data[: header(data) + 3 * CHUNK]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit of its version": lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
    "a bit before the chunks": lambda data: data[: header(data) - 20] + b"~" + data[header(data) - 19 :],
    "a bit in the middle": lambda data: data[:200_000] + bytes([data[200_000] ^ 1]) + data[200_001:],
    "a bit at the end": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "cut within a chunk": lambda data: data[:-100],
    "cut between chunks": cut_after_a_chunk,
    "chunks that changed places": swapped,
    "a chunk that is missing": without_the_second_chunk,
    "more behind its end": lambda data: data + b"more",
    "nothing": lambda _: b"",
    "something else": lambda _: b"not a backup" * 1000,
}


class TestWrite:
    def test_makes_a_file_that_comes_back_as_it_was(self, written: Path, members: Members, into: Path) -> None:
        told = archive.unpack(written, into, keys=[OTHER, KEY], expected=named)

        assert told == members[0][1].read_bytes() == archive.manifest(written, keys=[KEY])
        assert (into / "database.dump").read_bytes() == members[1][1].read_bytes()
        assert (into / "files/a/b").read_text() == "a file"

    def test_lets_only_its_own_account_read_it(self, written: Path, into: Path) -> None:
        archive.unpack(written, into, keys=[KEY], expected=named)

        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert stat.S_IMODE((into / "database.dump").stat().st_mode) == 0o600

    def test_leaves_nothing_in_the_clear(self, written: Path) -> None:
        assert b"made" not in written.read_bytes()

    def test_leaves_nothing_behind_if_the_disk_is_full(
        self, tmp_path: Path, members: Members, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def onto_a_full_disk(path: Path) -> BinaryIO:
            path.symlink_to("/dev/full")
            return path.open("wb", buffering=0)

        monkeypatch.setattr(archive, "private", onto_a_full_disk)
        before = set(tmp_path.iterdir())

        with pytest.raises(DiskFull):
            archive.write(tmp_path / "new.age", members, key=KEY)
        assert set(tmp_path.iterdir()) == before

    def test_leaves_nothing_behind_if_no_file_may_be_so_large(self, tmp_path: Path, members: Members) -> None:
        before, usual = set(tmp_path.iterdir()), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
        try:
            with pytest.raises(DiskFull):
                archive.write(tmp_path / "new.age", members, key=KEY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)

        assert set(tmp_path.iterdir()) == before

    @pytest.mark.parametrize("name", ["two\nlines", os.fsdecode(b"no letter: \xff")], ids=["lines", "bytes"])
    def test_refuses_a_name_that_no_list_can_hold(self, tmp_path: Path, members: Members, name: str) -> None:
        with pytest.raises(Unreadable, match="Rename it"):
            archive.write(tmp_path / "new.age", [*members, (f"files/{name}", tmp_path / "f")], key=KEY)
        assert not (tmp_path / "new.age").exists()

    def test_leaves_nothing_behind_if_a_file_went_away_meanwhile(self, tmp_path: Path, members: Members) -> None:
        before = set(tmp_path.iterdir())

        with pytest.raises(FileNotFoundError):
            archive.write(tmp_path / "new.age", [*members, ("files/gone", tmp_path / "gone")], key=KEY)
        assert set(tmp_path.iterdir()) == before


class TestUnpack:
    def test_says_that_no_key_fits(self, written: Path, into: Path) -> None:
        with pytest.raises(WrongKey):
            archive.unpack(written, into, keys=[OTHER], expected=named)
        with pytest.raises(WrongKey):
            archive.manifest(written, keys=[OTHER])
        assert list(into.iterdir()) == []

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    def test_refuses_what_was_damaged(self, written: Path, into: Path, damage: Callable[[bytes], bytes]) -> None:
        written.write_bytes(damage(written.read_bytes()))

        with pytest.raises(Unreadable):
            archive.unpack(written, into, keys=[KEY], expected=named)

    def test_stops_at_a_manifest_that_is_refused(self, written: Path, into: Path) -> None:
        def refuse(_manifest: bytes) -> str:
            raise Unreadable("refused")

        with pytest.raises(Unreadable, match="refused"):
            archive.unpack(written, into, keys=[KEY], expected=refuse)
        assert list(into.iterdir()) == []


def info(name: str, size: int = 0, **changed: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = size
    for attribute, value in changed.items():
        setattr(made, attribute, value)
    return made


def forge(path: Path, *others: tarfile.TarInfo, sums: bytes | None = None) -> Path:
    """Write an archive with the right key whose inside is not of our making."""
    packed = io.BytesIO()
    with gzip.open(packed, "wb") as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
        tar.addfile(info(archive.MANIFEST, 2), io.BytesIO(b"{}"))
        for other in others:
            tar.addfile(other, io.BytesIO(b"x" * other.size))
        digests = {archive.MANIFEST: hashlib.sha256(b"{}").hexdigest()}
        digests |= {other.name: hashlib.sha256(b"x" * other.size).hexdigest() for other in others}
        listed = archive.sums(digests).encode() if sums is None else sums
        tar.addfile(info(archive.SUMS, len(listed)), io.BytesIO(listed))
    path.write_bytes(pyrage.encrypt(packed.getvalue(), [pyrage.x25519.Identity.from_str(KEY).to_public()]))
    return path


EVIL = {
    "a path that climbs": info("files/../../evil", 1),
    "a path from the root": info("/evil", 1),
    "a path with nothing in it": info("files//evil", 1),
    "a file that does not belong there": info("evil", 1),
    "a link": info("files/evil", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": info("files/evil", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "a device": info("files/evil", type=tarfile.CHRTYPE),
    "a folder": info("files/evil", type=tarfile.DIRTYPE),
    "a second manifest": info(archive.MANIFEST, 1),
}


class TestForgeries:
    def test_are_made_like_what_is_accepted(self, tmp_path: Path, into: Path) -> None:
        forged = forge(tmp_path / "forged", info("database.dump", 5), info("files/a", 3))

        assert archive.unpack(forged, into, keys=[KEY], expected=named) == b"{}"

    @pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
    def test_reach_nothing_outside(self, tmp_path: Path, into: Path, evil: tarfile.TarInfo) -> None:
        forged = forge(tmp_path / "forged", evil)

        with pytest.raises(Unreadable):
            archive.unpack(forged, into, keys=[KEY], expected=named)
        assert list(tmp_path.rglob("*evil*")) == []

    def test_do_not_pass_with_other_sums(self, tmp_path: Path, into: Path) -> None:
        forged = forge(tmp_path / "forged", info("database.dump", 5), sums=b"none\n")

        with pytest.raises(Unreadable):
            archive.unpack(forged, into, keys=[KEY], expected=named)
