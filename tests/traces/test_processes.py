"""Real servers that send traces and reports to a real receiver, or to one that is away or does not answer."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.canary.spelling import found_in
from tests.journeys.test_canary import PERSON, Visitor, visit
from tests.live import LiveServer, free_port, running
from tests.receiver import Receiver, receiver
from tests.serving.http import send
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="their time is spent once, in the services world"),
]

REQUESTS = 100
EXPORT_SECONDS = 3.0
SERVER, CONSUMER = 2, 5


@dataclass(frozen=True)
class Visited:
    receiver: Receiver
    secrets: list[str]
    seconds: float
    output: str


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """What was told of a server with two workers that was visited with secrets, then asked often, then stopped."""
    folder = Path(tmp_path_factory.mktemp("visited"))
    with receiver(folder) as told:
        given = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": told.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-ours",
        }
        with running(folder, WORKERS="2", SENTRY_DSN=told.dsn, **given) as server:
            secrets = visit(Visitor(server))
            for _ in range(REQUESTS):
                send(f"{server.url}/readiness")
            started = time.monotonic()
            server.stop(signal.SIGTERM)
            seconds = time.monotonic() - started
        yield Visited(told, [*secrets, PERSON["email"]], seconds, server.output)


class TestServer:
    def test_tells_of_every_request_until_its_end(self, visited: Visited) -> None:
        assert len(visited.receiver.named("GET /readiness")) == REQUESTS
        assert visited.seconds < 10
        assert "Traceback" not in visited.output

    def test_shows_who_it_is_to_the_receiver_alone(self, visited: Visited) -> None:
        assert {one["headers"]["authorization"] for one in visited.receiver.taken} == {"Bearer of-ours"}
        assert "of-ours" not in visited.output

    def test_gives_no_secret_and_no_address_away(self, visited: Visited) -> None:
        statements = [one["attributes"].get("db.query.text", "") for one in visited.receiver.spans]

        assert any(text.startswith("INSERT INTO users") for text in statements)
        assert found_in(visited.receiver.text, visited.secrets) == []

    def test_sends_mail_in_the_trace_that_asked_for_it(self, visited: Visited) -> None:
        requests = {span["span_id"]: span for span in visited.receiver.spans if span["kind"] == SERVER}
        jobs = [span for span in visited.receiver.named("process mail.deliver") if span["parent"] in requests]

        assert jobs
        assert {job["trace_id"] == requests[job["parent"]]["trace_id"] for job in jobs} == {True}
        assert {job["kind"] for job in jobs} == {CONSUMER}


def answers(server: LiveServer, count: int) -> list[float]:
    """Return how long each of so many requests took, in milliseconds."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        assert send(f"{server.url}/health").status == 200
        taken.append((time.perf_counter() - started) * 1000)
    return taken


class TestReceiver:
    @pytest.mark.parametrize("is_frozen", [True, False], ids=["frozen", "away"])
    def test_that_takes_nothing_costs_no_request_and_one_line(self, tmp_path: Path, *, is_frozen: bool) -> None:
        with ExitStack() as stack:
            told = stack.enter_context(receiver(tmp_path))
            told.freeze()
            url = told.url if is_frozen else f"http://127.0.0.1:{free_port()}"
            dsn = url.replace("//", "//public@") + "/7"
            server = stack.enter_context(running(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, SENTRY_DSN=dsn))

            taken = answers(server, 600)
            started = time.monotonic()
            server.stop(signal.SIGTERM)
            stopping = time.monotonic() - started

        lines: list[dict[str, Any]] = [json.loads(line) for line in server.lines]
        complaints = [line for line in lines if line["level"] != "INFO"]
        assert [line["message"] for line in complaints] == ["the receiver of traces does not take them; they are lost"]
        assert max(taken) < EXPORT_SECONDS * 1000  # none waited for the receiver
        assert median(taken) < 100
        assert stopping < 2 * EXPORT_SECONDS + 4
