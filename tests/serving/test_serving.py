import json
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.core.version import VERSION
from tests.live import LiveServer, running
from tests.migrations.databases import empty_database
from tests.serving.conftest import Kind
from tests.serving.http import send, send_form, send_json
from tests.world import SERVICES

pytestmark = [pytest.mark.serving, pytest.mark.slow]

ADMIN = {"username": "first-admin", "email": "admin@carboy.test", "password": "Correct-Horse-7-Battery"}
SIGN_IN = {"username": ADMIN["username"], "password": ADMIN["password"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[LiveServer]:
    """A server of this file's own, in this world, with nobody in it."""
    folder = tmp_path_factory.mktemp("serving")
    with (
        empty_database(folder) as url,
        running(folder, kind, DATABASE_URL=url, REDIS_URL=os.environ.get("TEST_REDIS_URL", "")) as started,
    ):
        yield started


@contextmanager
def with_open_files(number: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class TestStart:
    def test_answers(self, server: LiveServer) -> None:
        answer = send(f"{server.url}/health")

        assert (answer.status, answer.json["version"]) == (200, VERSION)

    def test_is_ready(self, server: LiveServer) -> None:
        answer = send(f"{server.url}/readiness")

        assert (answer.status, answer.json["status"]) == (200, "ready")

    def test_says_where_to_look(self, server: LiveServer) -> None:
        assert f"Carboy on {server.url}" in server.errors.read_text()
        assert f"{server.url}/docs" in server.errors.read_text()

    def test_writes_nothing_but_json_to_its_standard_output(self, server: LiveServer) -> None:
        send(f"{server.url}/health")
        send(f"{server.url}/nowhere")

        written = [json.loads(line) for line in server.lines]

        assert {"/health"} <= {line.get("route") for line in written if line["logger"] == "access"}
        assert {"timestamp", "level", "logger", "message"} <= set.intersection(*(set(line) for line in written))

    def test_names_no_software(self, server: LiveServer) -> None:
        server_header = send(f"{server.url}/health").headers.get("Server", "")

        assert [
            word for word in ("python", "werkzeug", "granian", "gunicorn", "/") if word in server_header.casefold()
        ] == []


class TestFirstAdministrator:
    def test_is_made_once_by_the_printed_link(self, tmp_path: Path, server: LiveServer) -> None:
        link = f"{server.url}/setup"
        code = server.setup_code

        form = send(f"{link}?code={code}")
        again = send(f"{link}?code={code}")
        made = send_form(link, code=code, **ADMIN)
        second = send_form(link, code=code, username="second", email="second@carboy.test", password=ADMIN["password"])
        signed_in = send_json(f"{server.url}/auth/login", SIGN_IN)

        assert (form.status, again.status, made.status) == (200, 200, 200)
        assert code in form.text
        assert second.status in {400, 403, 404, 409, 422}
        assert signed_in.json["data"]["user"]["roles"] == ["admin", "user"]


class TestBodies:
    def test_may_come_in_chunks(self, server: LiveServer) -> None:
        parts = iter([b'{"username": "nobody", ', b'"password": "Wrong-', b'Horse-7"}'])

        answer = send(f"{server.url}/auth/login", "POST", parts, Content_Type="application/json")

        assert (answer.status, answer.json["error"]["code"]) == (401, "INVALID_CREDENTIALS")

    @pytest.mark.parametrize("size", [17 * 1024, 3 * 1024 * 1024], ids=["a little", "much"])
    def test_too_large_are_refused_without_a_length_too(self, server: LiveServer, size: int) -> None:
        parts = (b"x" * 1024 for _ in range(size // 1024))

        answer = send(f"{server.url}/auth/login", "POST", parts, Content_Type="application/json")

        assert (answer.status, answer.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    def test_too_large_are_refused_by_their_length(self, server: LiveServer) -> None:
        answer = send(f"{server.url}/auth/login", "POST", b"x" * 17 * 1024, Content_Type="application/json")

        assert (answer.status, answer.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    @pytest.mark.parametrize(("path", "status"), [("/auth/login", b"413"), ("/api/v1/users", b"401")])
    def test_that_nobody_reads_keep_the_connection(self, server: LiveServer, path: str, status: bytes) -> None:
        """Else the server closes it while they come, and a proxy, which is still sending, never hears the answer."""
        head = f"POST {path} HTTP/1.1\r\nHost: carboy.test\r\nContent-Type: application/json\r\n"
        answers = b""
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 10) as connection:
            connection.sendall(head.encode() + b"Content-Length: 900000\r\n\r\n" + b" " * 900_000)
            answers += connection.recv(65_536)
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: carboy.test\r\nConnection: close\r\n\r\n")
            while part := connection.recv(65_536):
                answers += part

        assert answers.startswith(b"HTTP/1.1 " + status)
        assert answers.count(b"HTTP/1.1 200 OK") == 1

    def test_are_not_sent_to_head(self, server: LiveServer) -> None:
        answer = send(f"{server.url}/health", "HEAD")

        assert (answer.status, answer.text) == (200, "")


class TestStop:
    @pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
    def test_by_the_keyboard_is_quiet_and_no_failure(self, kind: Kind, tmp_path: Path, told: signal.Signals) -> None:
        with running(tmp_path, kind) as server:
            send(f"{server.url}/health")

            code = server.stop(told)

        assert code == 0
        assert "Traceback" not in server.output
        assert [line for line in server.lines if not line.startswith("{")] == []
        with pytest.raises(ConnectionRefusedError):
            send(f"{server.url}/health")

    def test_does_not_wait_for_who_never_said_anything(self, kind: Kind, tmp_path: Path) -> None:
        with running(tmp_path, kind, STOP_SECONDS="60", KEEP_ALIVE_SECONDS="60") as server, ExitStack() as stack:
            stack.enter_context(socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 10))
            send(f"{server.url}/health")

            code = server.stop(signal.SIGTERM)

        assert code == 0


@pytest.mark.skipif(not SERVICES, reason="it takes long, and the database has no part in it")
class TestManyConnections:
    def test_are_answered_where_the_limit_of_open_files_is_the_usual_one(self, kind: Kind, tmp_path: Path) -> None:
        """Each stays open: 1024 would be the end of it, for files of the process and the defaults of either server."""
        with with_open_files(1024), running(tmp_path, kind) as server, ExitStack() as stack:
            with with_open_files(4096):
                address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
                opened = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(1100)]
            opened[-1].sendall(b"GET /health HTTP/1.1\r\nHost: carboy.test\r\n\r\n")

            assert opened[-1].recv(100).startswith(b"HTTP/1.1 200")
