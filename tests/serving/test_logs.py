"""What a real server logs: whose work each line is, and what another process has it write."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, LiveServer, environment, running, wait_until
from tests.postbox import Postbox, postbox
from tests.serving.http import send, send_json
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="their time is spent once, in the services world"),
]

TRACE = "a" * 32
PERSON = {"username": "ada", "email": "ada@engines.test", "password": "Correct-Horse-7-Battery"}


@pytest.fixture(scope="module")
def box() -> Iterator[Postbox]:
    with postbox() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, box: Postbox) -> Iterator[LiveServer]:
    folder = Path(tmp_path_factory.mktemp("logs"))
    with running(folder, MAIL_URL=box.url, EMAIL_VERIFICATION="optional", WORKERS="2") as started:
        yield started


def told(server: LiveServer, message: str) -> list[Any]:
    return [line for line in map(json.loads, server.lines) if line["message"] == message]


def flask(server: LiveServer, *arguments: str) -> str:
    """Run a command as an operator does, in a process of its own."""
    folder = server.log.parent
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


class TestJob:
    def test_writes_the_ids_of_the_request_that_asked_for_it(self, server: LiveServer, box: Postbox) -> None:
        ids = {"X_Request_ID": "request-of-ada", "traceparent": f"00-{TRACE}-{'b' * 16}-01"}

        answer = send_json(f"{server.url}/auth/register", PERSON, **ids)
        wait_until(lambda: bool(told(server, "mail sent")), lambda: server.output)

        assert answer.status == 201
        assert [(line["request_id"], line["trace_id"]) for line in told(server, "mail sent")] == [
            ("request-of-ada", TRACE)
        ]
        assert len(box.received) == 1
        assert "ada@engines.test" not in server.output


class TestLevel:
    def test_is_heard_by_every_worker_and_given_back_by_reset(self, server: LiveServer) -> None:
        flask(server, "logs", "level", "access", "WARNING")
        wait_until(lambda: len(told(server, "a level changed")) == 2, lambda: server.output)
        before = len(told(server, "request"))

        assert send(f"{server.url}/health").status == 200
        assert len(told(server, "request")) == before

        flask(server, "logs", "reset")
        wait_until(lambda: len(told(server, "a level is over")) == 2, lambda: server.output)
        send(f"{server.url}/health")
        wait_until(lambda: len(told(server, "request")) > before, lambda: server.output)
