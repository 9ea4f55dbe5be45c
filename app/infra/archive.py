"""One backup as one file: tar, in gzip, in age, so that three common programs open it by hand.

age (https://age-encryption.org) authenticates every 64 KiB, their order and their end; reading and writing go through
a pipe, so that memory does not grow with the backup. A file has its name only once it is whole and on the disk.
"""

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from errno import EDQUOT, EFBIG, ENOSPC
from hashlib import file_digest, sha256
from pathlib import Path
from threading import Thread
from typing import BinaryIO, cast

import pyrage  # type: ignore[import-untyped]  # it has no types

from app.core.errors import Conflict

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"

_CHUNK = 1 << 16
_MANIFEST_BYTES = 1 << 20
_COMPRESSION = 3
_PRIVATE = 0o600

Member = tuple[str, Path]


class Unreadable(Conflict):
    """Not what was once written, or no backup at all."""

    code = "BACKUP_UNREADABLE"
    message = "This is no backup, or it is damaged."


class WrongKey(Conflict):
    """Encrypted for somebody else."""

    code = "BACKUP_WRONG_KEY"
    message = (
        "No key opens this backup, unless its beginning is damaged. Put the age key that it was made with at the end of"
        " BACKUP_KEY, or the secret that was in use then at the end of SECRET_KEY."
    )


class DiskFull(Conflict):
    """There is no room; what was there before still is."""

    code = "BACKUP_DISK_FULL"
    message = (
        "The disk is full, or no file may be so large. Nothing was kept of this attempt, and no older backup was"
        " touched but for those beyond their time. Make room, and repeat."
    )


@contextmanager
def room_is_needed() -> Iterator[None]:
    """Name a disk that is full."""
    try:
        yield
    except OSError as error:
        if error.errno in {ENOSPC, EDQUOT, EFBIG}:
            raise DiskFull from error
        raise


def write(target: Path, members: Sequence[Member], *, key: str) -> None:
    """Pack files into ``target``, the manifest first; their sums come last. Raises DiskFull."""
    partial = target.with_name(f".{target.name}.partial")
    recipient = pyrage.x25519.Identity.from_str(key).to_public()
    try:
        with room_is_needed(), private(partial) as file:
            sealed = _Heard(file)
            with _flowing(lambda pipe: _pack(pipe, members)) as plain:
                try:
                    pyrage.encrypt_io(plain, sealed, [recipient])
                finally:
                    sealed.complain()  # says more than what the library raises, if it raises at all
            file.flush()
            os.fsync(file.fileno())
            partial.rename(target)
            _settle(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def manifest(path: Path, *, keys: Sequence[str]) -> bytes:
    """Return what an archive says of itself, reading no further. Raises Unreadable, WrongKey."""
    with _opened(path, keys) as plain, _tar(plain) as tar:
        return _first(tar)


def unpack(path: Path, into: Path, *, keys: Sequence[str], expected: Callable[[bytes], str]) -> bytes:
    """Unpack an archive into an empty folder and compare every file with its sum; return the manifest.

    ``expected`` reads the manifest, may refuse it, and names the file of the database; beside it only what is
    below ``files/`` is let in. Nothing may be believed before this returns. Raises Unreadable, WrongKey, DiskFull.
    """
    found: dict[str, str] = {}
    with room_is_needed(), _opened(path, keys) as plain:
        with _tar(plain) as tar:
            told = _first(tar)
            allowed = expected(told)
            found[MANIFEST] = sha256(told).hexdigest()
            said = ""
            for member in iter(tar.next, None):
                if said:
                    raise Unreadable("This backup goes on after its end.")
                if member.name == SUMS:
                    said = _content(tar, member).read().decode(errors="replace")
                else:
                    _take(tar, member, into, allowed=allowed, found=found)
        if said != sums(found):
            raise Unreadable("This backup is not complete, or its files are not what they were.")
        while plain.read(_CHUNK):  # the end is authenticated as well
            pass
    return told


def sums(found: dict[str, str]) -> str:
    """Write sums as ``sha256sum --check`` reads them."""
    return "".join(f"{digest}  {name}\n" for name, digest in found.items())


def private(path: Path) -> BinaryIO:
    """Open a new file that only this account reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb")


def sum_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class _Heard:
    """A file that remembers what went wrong: the library drops what its last write raises."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._error = error
            raise

    def flush(self) -> None:
        self._file.flush()

    def complain(self) -> None:
        if self._error is not None:
            raise self._error


class _Summed:
    """A file that is read once, and its sum."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _pack(pipe: BinaryIO, members: Sequence[Member]) -> None:
    found: dict[str, str] = {}
    with gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=_COMPRESSION, mtime=0) as packed:  # noqa: SIM117 -- too long for one line
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name, path in members:
                if "\n" in name or name.encode(errors="ignore").decode() != name:
                    raise Unreadable(f"A file's name holds a line break, or is not UTF-8: {name!a}. Rename it.")
                with path.open("rb") as file:
                    found[name] = _add(tar, name, os.fstat(file.fileno()), file)
            listed = sums(found).encode()
            info = tarfile.TarInfo(SUMS)
            info.size, info.mode = len(listed), _PRIVATE
            tar.addfile(info, io.BytesIO(listed))


def _add(tar: tarfile.TarFile, name: str, stat: os.stat_result, file: BinaryIO) -> str:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = stat.st_size, int(stat.st_mtime), _PRIVATE
    read = _Summed(file)
    tar.addfile(info, cast("BinaryIO", read))
    return read.hexdigest()


def _first(tar: tarfile.TarFile) -> bytes:
    member = tar.next()
    if member is None or member.name != MANIFEST or member.size > _MANIFEST_BYTES:
        raise Unreadable
    return _content(tar, member).read()


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, *, allowed: str, found: dict[str, str]) -> None:
    name = member.name
    parts = name.split("/")
    inside = name == allowed or (parts[0] == "files" and len(parts) > 1 and not {"", ".", ".."} & set(parts))
    if not inside or name in found or not member.isreg() or "\0" in name or "\n" in name:
        raise Unreadable("This backup holds something that does not belong there. Nothing was taken from it.")
    target = into / name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    read = _Summed(_content(tar, member))
    with private(target) as file:
        while chunk := read.read(_CHUNK):
            file.write(chunk)
    found[name] = read.hexdigest()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    file = tar.extractfile(member)
    if file is None:
        raise Unreadable
    return cast("BinaryIO", file)


@contextmanager
def _opened(path: Path, keys: Sequence[str]) -> Iterator[BinaryIO]:
    """Yield what is inside of age and gzip, and name what is wrong with it."""
    identities = [pyrage.x25519.Identity.from_str(key) for key in keys]

    def decrypt(pipe: BinaryIO) -> None:
        with path.open("rb") as sealed:
            pyrage.decrypt_io(sealed, pipe, identities)

    try:
        with _flowing(decrypt) as pipe, gzip.GzipFile(fileobj=pipe) as plain:
            yield cast("BinaryIO", plain)
    except pyrage.DecryptError as error:
        raise (WrongKey if "No matching keys" in str(error) else Unreadable) from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable from error
    except OSError as error:
        if error.errno is None:  # the library's, of what does not authenticate
            raise Unreadable("This backup was changed, or its end is missing.") from error
        if isinstance(error, PermissionError):
            raise Unreadable(f"{path} may not be read by this account.") from error
        raise


@contextmanager
def _tar(plain: BinaryIO) -> Iterator[tarfile.TarFile]:
    with closing(tarfile.open(fileobj=plain, mode="r|", bufsize=_CHUNK)) as tar:
        yield tar


@contextmanager
def _flowing(write: Callable[[BinaryIO], object]) -> Iterator[BinaryIO]:
    """Read what another thread writes meanwhile. Its failure is raised here, unless it is that nobody reads on."""
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                write(pipe)
        except BaseException as error:  # noqa: BLE001 -- raised again by whoever reads
            failures.append(error)

    thread = Thread(target=work, name="backup")
    thread.start()
    try:
        with os.fdopen(reading, "rb") as pipe:
            yield pipe
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
        thread.join()
        _complain(failures)  # the reason of what the reader met
        raise
    finally:
        thread.join()
    _complain(failures)


def _complain(failures: list[BaseException]) -> None:
    for failure in failures:
        if not isinstance(failure, BrokenPipeError):
            raise failure


def _settle(folder: Path) -> None:
    """Have the disk know a folder's new names."""
    descriptor = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # some file systems cannot
        os.fsync(descriptor)
    os.close(descriptor)
