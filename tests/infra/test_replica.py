"""What a read that fails there means for the others; tests/serving/test_replica.py has real replicas."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.infra import engines, patience, replica
from tests.world import SERVICES, settings

pytestmark = pytest.mark.skipif(not SERVICES, reason="SQLite has no replicas")


class Borrowed:
    """A connection that somebody reads from."""

    def __init__(self, socket: socket.socket) -> None:
        self.fileno = socket.fileno


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect to a replica from which one read goes on; return both ends of its connection."""
    replica.connect(settings(tmp_path, database_replica_url="postgresql://127.0.0.1:1/none"))
    assert replica._replica is not None
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    borrowed: Any = Borrowed(ours)
    replica._replica._borrowed.add(borrowed)
    yield ours, theirs
    ours.close()
    theirs.close()
    replica.connect(settings(tmp_path))


def failed(error: psycopg.Error, *, gone: bool) -> DBAPIError:
    return OperationalError("SELECT 1", None, error, connection_invalidated=gone)


REFUSALS = [
    pytest.param(failed(psycopg.errors.SerializationFailure(), gone=False), id="a conflict of recovery"),
    pytest.param(failed(psycopg.errors.LockNotAvailable(), gone=False), id="a lock"),
    pytest.param(failed(psycopg.errors.UndefinedColumn(), gone=False), id="an older schema"),
    pytest.param(PoolTimeout(), id="a pool with nothing left"),
]
LOSSES = [
    pytest.param(failed(psycopg.errors.AdminShutdown(), gone=True), id="a server that stops"),
    pytest.param(failed(psycopg.OperationalError(), gone=False), id="nobody to connect to"),
    pytest.param(failed(patience.OutOfTime(), gone=True), id="no answer"),
]


class TestGiveUp:
    @pytest.mark.parametrize("error", REFUSALS)
    def test_leaves_other_reads_alone(self, ends: tuple[socket.socket, socket.socket], error: SQLAlchemyError) -> None:
        replica.give_up(error)

        with pytest.raises(BlockingIOError):
            ends[1].recv(1)

    @pytest.mark.parametrize("error", LOSSES)
    def test_frees_other_reads_from_a_server_that_is_away(
        self, ends: tuple[socket.socket, socket.socket], error: SQLAlchemyError
    ) -> None:
        replica.give_up(error)

        assert ends[1].recv(1) == b""

    @pytest.mark.parametrize("error", [*REFUSALS, *LOSSES])
    @pytest.mark.usefixtures("ends")
    def test_reads_from_the_database_next(self, error: SQLAlchemyError, monkeypatch: pytest.MonkeyPatch) -> None:
        assert replica._replica is not None
        monkeypatch.setattr(replica._Replica, "_watch", lambda _: None)
        replica._replica._fresh_as_of = replica._replica._answered_at = time.monotonic()
        assert replica.is_fresh()

        replica.give_up(error)

        assert not replica.is_fresh()


def test_a_server_that_closes_what_it_opens_is_away(tmp_path: Path) -> None:
    engine = engines.create(settings(tmp_path))
    event.listen(engine, "connect", lambda connection, _: replica._shut(connection.fileno()))

    with pytest.raises(OperationalError) as failure, engine.connect():
        pass

    assert engines.is_away(failure.value.orig)
