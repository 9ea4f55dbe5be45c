"""What the shipped nginx does beside passing requests on."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.live import free_port, running
from tests.serving.nginx import NAME, Nginx, needs_nginx, needs_openssl, nginx, render, trusting
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    needs_nginx,
    needs_openssl,
    pytest.mark.skipif(not SERVICES, reason="a proxy stands before the services world"),
]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    text: str

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(proxy: Nginx, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=20, context=trusting())
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": NAME, **named})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read().decode())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """One instance lives, and one does not."""
    folder = Path(tmp_path_factory.mktemp("nginx"))
    url = f"https://{NAME}"
    with running(folder, PUBLIC_URL=url, TRUSTED_PROXIES="127.0.0.1") as server:
        port = int(server.url.rsplit(":", 1)[1])
        with nginx(folder, [port, free_port()]) as started:
            yield started


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """No instance lives."""
    with nginx(Path(tmp_path_factory.mktemp("alone")), [free_port(), free_port()]) as started:
        yield started


class DiesOfWriting(BaseHTTPRequestHandler):
    """An instance whose workers die with every write, and answer reads."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dying(tmp_path: Path) -> Iterator[Nginx]:
    """One instance loses its workers, and the other restarts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), DiesOfWriting) as instance:
        Thread(target=instance.serve_forever, daemon=True).start()
        with nginx(tmp_path, [instance.server_port, free_port()]) as started:
            yield started
        instance.shutdown()


def test_is_right_in_the_eyes_of_nginx(tmp_path: Path) -> None:
    command = render(tmp_path, [8000, 8001], tls=free_port(), plain=free_port())

    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


def test_no_caller_meets_an_instance_that_is_gone(proxy: Nginx) -> None:
    body = b'{"page": "/"}'
    answers = [ask(proxy, "/api/v1/visits", "POST", body, Content_Type="application/json") for _ in range(8)]

    assert [answer.status for answer in answers] == [201] * 8


def test_workers_that_die_take_no_instance_out_of_service(dying: Nginx) -> None:
    lost = [ask(dying, "/", "POST").status for _ in range(8)]

    answers = [ask(dying, "/").status for _ in range(8)]

    assert set(lost) == {503}
    assert set(answers) == {200}


@pytest.mark.parametrize("path", ["/metrics", "/health", "/healthz", "/readiness"])
def test_what_probes_ask_is_not_public(proxy: Nginx, path: str) -> None:
    answer = ask(proxy, path)

    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")


def test_security_headers_come_once(proxy: Nginx) -> None:
    answer = ask(proxy, "/api/v1/visits")

    names = [name.lower() for name, _ in answer.headers]
    assert {"strict-transport-security", "content-security-policy", "x-content-type-options"} <= set(names)
    assert sorted(names) == sorted(set(names))


def test_a_request_keeps_its_id_if_it_is_well_formed(proxy: Nginx) -> None:
    kept = ask(proxy, "/api/v1/visits", X_Request_ID="a-request-of-mine")
    made = ask(proxy, "/api/v1/visits", X_Request_ID="short")

    assert kept.all("X-Request-ID") == ["a-request-of-mine"]
    assert made.all("X-Request-ID") != ["short"]


def test_a_body_beyond_the_bound_is_refused_in_our_form(proxy: Nginx) -> None:
    refused = ask(proxy, "/api/v1/visits", "POST", b"x" * (1024 * 1024 + 1), Content_Type="application/json")
    passed = ask(proxy, "/auth/login", "POST", b"x" * (17 * 1024), Content_Type="application/json")

    assert (refused.status, refused.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (passed.status, passed.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_static_files_are_served_with_what_protects_them(proxy: Nginx) -> None:
    answer = ask(proxy, "/static/page.css")

    assert (answer.status, answer.all("Content-Type")) == (200, ["text/css"])
    assert answer.all("X-Content-Type-Options") == ["nosniff"]


def test_plain_http_is_sent_to_https(proxy: Nginx) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=20)
    connection.request("GET", "/docs", headers={"Host": "evil.test"})
    answer = connection.getresponse()
    connection.close()

    assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/docs")


def test_that_no_instance_lives_is_said_in_our_form(alone: Nginx) -> None:
    answer = ask(alone, "/api/v1/visits")

    assert (answer.status, answer.json["error"]["code"]) == (503, "UNAVAILABLE")
    assert answer.all("Retry-After") == ["5"]
