"""How the real server ends: it says so, serves on, turns nobody away that it let in, and then leaves."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live import LiveServer, running, wait_until
from tests.serving.conftest import Kind
from tests.serving.http import Reply, send, send_json

pytestmark = [pytest.mark.serving, pytest.mark.slow]

BODY = b'{"username": "nobody", "password": "Wrong-Horse-7"}'
HEAD = (
    b"POST /auth/login HTTP/1.1\r\nHost: carboy.test\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)


@dataclass
class End:
    """What was seen of a server whose whole group was told to stop, and later told again."""

    readiness: list[Reply]
    health: Reply
    write: Reply
    begun: bytes
    code: int
    server: LiveServer


@pytest.fixture(scope="module")
def end(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[End]:
    folder = Path(tmp_path_factory.mktemp("drain"))
    with running(folder, kind, WORKERS="2", DRAIN_SECONDS="120", STOP_SECONDS="60") as server:
        os.killpg(server.process.pid, signal.SIGTERM)  # as a supervisor does: the workers hear it as well
        wait_until(lambda: send(f"{server.url}/readiness").status == 503, lambda: server.output)
        readiness = [send(f"{server.url}/readiness") for _ in range(8)]
        health = send(f"{server.url}/health")
        write = send_json(f"{server.url}/auth/register", {"username": "late", "email": "late@carboy.test", **PASSWORD})
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=30) as connection:
            connection.sendall(HEAD + BODY[:20])
            wait_until(lambda: "draining" in server.output)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: refuses(server), lambda: server.output)
            connection.sendall(BODY[20:])
            begun = connection.recv(4096)
        yield End(readiness, health, write, begun, server.process.wait(30), server)


PASSWORD = {"password": "Correct-Horse-7-Battery"}


def refuses(server: LiveServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=0.2).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return False


class TestDrain:
    def test_is_said_by_every_worker(self, end: End) -> None:
        assert {(reply.status, reply.json["status"]) for reply in end.readiness} == {(503, "draining")}

    def test_serves_on(self, end: End) -> None:
        assert (end.health.status, end.write.status) == (200, 201)

    def test_ends_kept_connections_with_their_next_answer(self, end: End) -> None:
        assert {reply.headers["Connection"] for reply in (end.health, end.write)} == {"close"}

    def test_told_again_is_cut_short_but_finishes_what_was_begun(self, end: End) -> None:
        assert end.begun.startswith(b"HTTP/1.1 401 ")

    def test_is_no_failure(self, end: End) -> None:
        assert end.code == 0
        assert "Traceback" not in end.server.output
        assert [line for line in end.server.lines if not line.startswith("{")] == []
