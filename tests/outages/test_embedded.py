"""The cells of docs/outages.md for SQLite alone: a file that is locked, a full disk, mail that cannot be written."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from tests.live import LiveServer, running, wait_until
from tests.outages import disk, table
from tests.serving.http import Reply, send, send_json
from tests.world import PASSWORD, SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(SERVICES, reason="what SQLite and the folder of mail do is seen in the embedded world"),
    pytest.mark.skipif(not disk.can_mount(), reason="only root can mount a disk to fill"),
]

CELLS = table.cells("With SQLite alone", {"L": 5.0})
ASKED = [name for name in table.COLUMNS if name != "well again"]
MARGIN_SECONDS = 1.5
_NUMBERS = count(1)

Seen = dict[str, tuple[str, float]]


def register(url: str, var: Path) -> Reply:
    """Register somebody; one more letter is to come if that is answered with success."""
    name = f"person{next(_NUMBERS)}"
    reply = send_json(f"{url}/auth/register", {"username": name, "email": f"{name}@x.test", "password": PASSWORD})
    promised(var).extend([name] * (reply.status == 201))
    return reply


@cache
def promised(_: Path) -> list[str]:
    return []


def letters(var: Path) -> int:
    return len(list((var / "mail").glob("*.eml")))


@contextmanager
def locked(var: Path) -> Iterator[None]:
    with closing(sqlite3.connect(var / "carboy.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(var: Path) -> Iterator[None]:
    disk.fill(var)
    yield
    disk.clear(var)


@contextmanager
def without_a_folder_for_mail(var: Path) -> Iterator[None]:
    (var / "mail").rename(var / "mail.away")
    (var / "mail").touch()
    yield
    (var / "mail").unlink()
    (var / "mail.away").rename(var / "mail")


HARM = {"database locked": locked, "disk full": full, "mail cannot be written": without_a_folder_for_mail}


def see(server: LiveServer, var: Path, token: str, outage: str) -> Seen:
    """Ask everything during an outage, then see how long it takes until nothing is missing."""
    url = server.url
    asks: dict[str, Callable[[], Reply]] = {
        "API read": lambda: send(f"{url}/auth/me", Authorization=f"Bearer {token}"),
        "API write": lambda: register(url, var),
        "sign-in": lambda: sign_in(url),
        "console page": lambda: send(f"{url}/", Accept="text/html"),
        "`/health`": lambda: send(f"{url}/health"),
        "`/readiness`": lambda: send(f"{url}/readiness"),
    }
    before = letters(var)
    with HARM[outage](var), ThreadPoolExecutor(len(asks)) as pool:
        asked = {name: pool.submit(timed, ask) for name, ask in asks.items()}
        seen = {name: answer.result() for name, answer in asked.items()}
        written = seen["API write"][0] == "201"
    seen["job"] = ("waits" if written and letters(var) == before else "done" if written else "refused"), 0.0
    began = time.monotonic()
    wait_until(lambda: sign_in(url).status == 200 and register(url, var).status == 201, lambda: server.output[-2000:])
    wait_until(lambda: letters(var) >= len(promised(var)), lambda: server.output[-2000:])
    seen["well again"] = "", time.monotonic() - began
    return seen


def sign_in(url: str) -> Reply:
    return send_json(f"{url}/auth/login", {"username": "ada", "password": PASSWORD})


def timed(ask: Callable[[], Reply]) -> tuple[str, float]:
    began = time.monotonic()
    reply = ask()
    said = f" {reply.json['status']}" if "checks" in reply.text else ""
    return f"{reply.status}{said}", time.monotonic() - began


@pytest.fixture(scope="module")
def observed() -> Iterator[Callable[[str], Seen]]:
    with ExitStack() as stack:
        var = stack.enter_context(disk.disk(200))
        server = stack.enter_context(running(var))
        send_json(f"{server.url}/auth/register", {"username": "ada", "email": "ada@x.test", "password": PASSWORD})
        wait_until(lambda: letters(var) == 1)
        promised(var).append("ada")
        token = sign_in(server.url).json["data"]["access_token"]
        yield cache(lambda outage: see(server, var, token, outage))


def test_the_table_has_a_row_for_each_outage() -> None:
    assert list(CELLS) == list(HARM)


@pytest.mark.parametrize("outage", HARM)
class TestOutage:
    @pytest.mark.parametrize("column", ASKED)
    def test_is_answered_as_the_table_says(self, observed: Callable[[str], Seen], outage: str, column: str) -> None:
        cell, (said, seconds) = CELLS[outage][column], observed(outage)[column]

        assert said in cell.allows
        assert cell.seconds is None or seconds < cell.seconds + MARGIN_SECONDS

    def test_ends_without_a_restart_and_loses_no_letter(self, observed: Callable[[str], Seen], outage: str) -> None:
        cell, (_, seconds) = CELLS[outage]["well again"], observed(outage)["well again"]

        assert cell.seconds is not None
        assert seconds < cell.seconds + MARGIN_SECONDS
