"""A move that is killed loses nothing, and the next one finishes; a service that runs beside it loses nothing."""

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from app.infra import db, engines, retired
from app.main.moving import MADE_AT_START
from tests.api import some_users
from tests.live import LiveServer, running, wait_until
from tests.main import moved
from tests.world import SERVICES, World

pytestmark = [
    pytest.mark.skipif(not SERVICES, reason="moves to a PostgreSQL, which only the services world has"),
    pytest.mark.slow,
]

KILLS = int(os.environ.get("CARBOY_TEST_MOVE_KILLS", "3"))
ROWS = 1000
LINES = 38
"""How many lines a move of these rows prints."""


@pytest.fixture
def url(world: World, tmp_path: Path) -> Iterator[str]:
    with moved.target(tmp_path) as made:
        yield made


def killed(var: Path, old: Path, url: str, chance: random.Random) -> bool:
    """Move, and kill it after a random line of what it says, or a moment later; tell whether it was in time."""
    process = moved.begin_move(var, old, url)
    assert process.stderr is not None
    for _ in range(chance.randint(0, LINES)):
        process.stderr.readline()
    time.sleep(chance.random() * chance.choice([0.01, 0.1, 1.0]))
    process.kill()
    process.communicate()
    return process.returncode != 0


def is_used(url: str) -> bool:
    with suppress(Exception):
        return any(found.rows for name, found in moved.contents(url).items() if name not in MADE_AT_START)
    return False  # not even the schema is there


def begin_anew(url: str) -> None:
    """Undo a move that was done before it was killed."""
    with moved.operator(url) as operator:
        operator.execute("DROP SCHEMA public CASCADE")
        operator.execute("CREATE SCHEMA public")
    with db.engine().execution_options(**{engines.WRITES: True}).begin() as connection:
        retired.reopen(connection)


class TestKilledMoves:
    def test_leave_all_or_nothing_and_the_next_finishes(self, world: World, url: str, tmp_path: Path) -> None:
        old = tmp_path / "old.db"
        moved.on_sqlite(world, old)
        some_users(ROWS)
        before = moved.contents(f"sqlite:///{old}")
        chance = random.Random(20260109)  # noqa: S311 -- when to kill need not be unguessable
        kills, complete = 0, 0

        for _ in range(KILLS):
            kills += killed(tmp_path, old, url, chance)
            if is_used(url):
                complete += 1
                assert moved.contents(url) == before
                assert retired.destination() is not None
                begin_anew(url)
            assert moved.contents(f"sqlite:///{old}") == before
        last = moved.begin_move(tmp_path, old, url)
        said = "".join(last.communicate(timeout=60))

        print(f"{kills} kills of {KILLS} moves, {complete} after the rows were there")  # noqa: T201 -- the figure of this proof
        assert last.returncode == 0, said
        assert moved.contents(url) == before


def register(server: LiveServer, name: str) -> int:
    body = {"username": name, "email": f"{name}@people.test", "password": "Engine-1842-Notes"}
    request = Request(f"{server.url}/auth/register", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


class TestServiceBesideAMove:
    def test_loses_no_write_that_it_acknowledged(self, world: World, url: str, tmp_path: Path) -> None:
        old, ended = tmp_path / "old.db", Event()
        moved.on_sqlite(world, old)
        some_users(ROWS)
        db.engine().dispose()
        answers: dict[str, int] = {}

        def write(server: LiveServer, writer: int) -> None:
            for number in range(10_000):
                name = f"writer{writer}-{number}"
                answers[name] = register(server, name)
                if ended.is_set() and answers[name] == 503:
                    return

        with running(tmp_path, DATABASE_URL=f"sqlite:///{old}", SECRET_KEY=moved.SECRET) as server:
            writers = [Thread(target=write, args=(server, number)) for number in range(3)]
            for writer in writers:
                writer.start()
            wait_until(lambda: len(answers) >= 10)
            process = moved.begin_move(tmp_path, old, url)
            said = "".join(process.communicate(timeout=60))
            ended.set()
            for writer in writers:
                writer.join(60)

        assert process.returncode == 0, said
        acknowledged = {name for name, status in answers.items() if status == 201}
        with moved.operator(url) as operator:
            there = {name for (name,) in operator.execute("SELECT username FROM users WHERE username LIKE 'writer%'")}
        assert set(answers.values()) == {201, 503}
        assert there == acknowledged
