"""The whole way: an instance in use, a backup meanwhile, its database destroyed, restored by the commands of the page.

``pytest -s`` shows how much was lost (RPO) and how long it took (RTO).
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pytest

from tests.features.backups.instances import Instance, instance, printed
from tests.live import LiveServer, running, wait_until
from tests.serving.http import send
from tests.world import SERVICES, World

pytestmark = [pytest.mark.slow, pytest.mark.serving]

USERS = int(os.environ.get("CARBOY_TEST_DRILL_USERS", "0"))
"""How many people an instance holds already; the figures of the page come from 20000."""

PASSWORD = "Correct-Horse-7-Battery"


def post(server: LiveServer, path: str, body: dict[str, str]) -> int:
    return send(server.url + path, "POST", json.dumps(body).encode(), Content_Type="application/json").status


def register(server: LiveServer, name: str) -> int:
    return post(server, "/auth/register", {"username": name, "email": f"{name}@navy.test", "password": PASSWORD})


def sign_in(server: LiveServer, name: str) -> int:
    return post(server, "/auth/login", {"username": name, "password": PASSWORD})


class Writer:
    """Registers one person after the other, and remembers when each was promised to be stored."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._stop = Event()
        self._thread = Thread(target=self._write)
        self.promised: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: len(self.promised) > 5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        for number in count():
            if self._stop.is_set():
                return
            name = f"person{number}"
            with suppress(OSError, HTTPException):
                if register(self._server, name) == 201:
                    self.promised.append((time.time(), name))


@pytest.fixture
def drilled(world: World, tmp_path: Path) -> Iterator[Instance]:
    with instance(tmp_path / "drill", world.settings.database_url) as made:
        if USERS:
            made.run("init-db")
            made.run("seed", "--users", str(USERS))
        yield made


def test_an_instance_comes_back_with_everything_that_was_promised_before_its_backup(drilled: Instance) -> None:
    files = drilled.var / "files" / "ab"
    files.mkdir(parents=True)
    (files / "cd").write_bytes(b"a stored file" * 1000)
    with running(drilled.var, **drilled.settings) as server, Writer(server) as writer:
        begun = time.time()
        made = drilled.run("backup", "create")
        wait_until(lambda: writer.promised[-1][0] > begun + 1)
        server.process.kill()
    destroyed = time.time()
    drilled.destroy()
    files.joinpath("cd").unlink()
    files.rmdir()
    files.parent.rmdir()

    restored = drilled.bash(printed("flask backup restore"), NAME=made.partition(":")[0])
    with running(drilled.var, **drilled.settings) as server:
        answer = sign_in(server, writer.promised[0][1])
        signed_in = time.time()
        anew = register(server, "later")
    kept = drilled.people()
    lost = [at for at, name in writer.promised if name not in kept]

    print(f"\nRPO {destroyed - min(lost):.1f} s ({len(lost)} of {len(writer.promised)} registrations)")  # noqa: T201 -- what the drill is for
    print(f"RTO {signed_in - destroyed:.1f} s")  # noqa: T201 -- as above
    assert (answer, anew) == (200, 201)
    assert len(writer.promised) - len(lost) > 5
    assert lost
    assert min(lost) >= begun
    assert "unbroken" in restored
    assert "1 files" in restored
    assert (files / "cd").read_bytes() == b"a stored file" * 1000


def kill_once_there_is(sign: str, drilled: Instance) -> None:
    process = drilled.start("backup", "create")
    wait_until(lambda: process.poll() is not None or any((drilled.var / "backups").glob(sign)))
    process.kill()
    process.communicate()


@pytest.mark.skipif(not SERVICES, reason="starts eight processes: once is enough, and this world has time")
class TestKilled:
    def test_backups_leave_nothing_half_and_the_next_one_cleans_up(self, drilled: Instance) -> None:
        drilled.run("init-db")
        drilled.run("seed", "--users", "300")
        folder = drilled.var / "backups"

        for sign in (".work-*", ".work-*/database*", ".carboy-*.partial"):
            kill_once_there_is(sign, drilled)
        whole = [path.name for path in folder.glob("*.age")]
        listed = drilled.run("backup", "list")
        drilled.run("backup", "create")
        verified = drilled.run("backup", "verify")

        assert "unreadable" not in listed
        assert listed.count(".age") == len(whole)
        assert "restores" in verified
        assert [path for path in folder.iterdir() if path.name.startswith((".work", ".carboy"))] == []
