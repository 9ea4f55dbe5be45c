"""PostgreSQL's own programs, which alone know how to dump every version of it."""

import re
import shutil
import subprocess  # what this file is about # nosec B404
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from app.core.errors import Conflict
from app.infra.archive import DiskFull

_PLACES = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # Fedora, Red Hat
    "opt/homebrew/opt/*/bin",
    "usr/local/opt/*/bin",
)
_VERSION = re.compile(r"\) (\d+)")
_VERSION_SECONDS = 10


class ProgramMissing(Conflict):
    """A program of PostgreSQL is not installed, or too old for the server."""

    code = "BACKUP_PROGRAM_MISSING"
    message = "PostgreSQL's client programs are missing."


class ProgramFailed(Conflict):
    """A program of PostgreSQL refused; the message ends with its own words."""

    code = "BACKUP_PROGRAM_FAILED"
    message = "PostgreSQL's program failed."


def address(url: str) -> str:
    """Return a URL of SQLAlchemy as libpq reads it, with its password."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def run(name: str, arguments: Sequence[str], *, url: str, server: int, folder: Path) -> None:
    """Run a program that fits the server, and hide the password from the list of processes.

    Raises ProgramMissing, ProgramFailed, DiskFull.
    """
    program = _find(name, server)
    command = [str(program), f"--dbname={_without_password(url, folder)}", "--no-password", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 -- a program by its path, no shell # nosec B603
    if done.returncode == 0:
        return
    if "No space left on device" in done.stderr:
        raise DiskFull
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    raise ProgramFailed(f"{name} failed: {' '.join(lines[:3]) or done.returncode}")


def _find(name: str, least: int) -> Path:
    """Return the oldest program that is new enough: a newer one may say what the server does not understand."""
    found = dict(sorted(((_version(path), path) for path in _installed(name)), reverse=True))
    fitting = [version for version in found if version >= least]
    if not fitting:
        others = ", ".join(str(version) for version in found) or "none"
        raise ProgramMissing(
            f"{name} {least} or newer is needed for this server; installed: {others}."
            f" Install PostgreSQL's client programs (Debian: postgresql-client-{least})."
        )
    return found[min(fitting)]


def _installed(name: str) -> Iterator[Path]:
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    for place in _PLACES:
        yield from Path("/").glob(f"{place}/{name}")


def _version(program: Path) -> int:
    answer = subprocess.run(  # noqa: S603 -- as above # nosec B603
        [str(program), "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_SECONDS
    )
    found = _VERSION.search(answer.stdout)
    return int(found[1]) if found else 0


def _without_password(url: str, folder: Path) -> str:
    """Return the address with its password in a file that only we read."""
    parts = psycopg.conninfo.conninfo_to_dict(address(url))
    password = str(parts.pop("password", "") or "")
    if password:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        place = folder / "pgpass"
        place.touch(mode=0o600)
        place.write_text(f"*:*:*:*:{escaped}\n")
        parts["passfile"] = str(place)
    return psycopg.conninfo.make_conninfo("", **{name: value for name, value in parts.items() if value is not None})
