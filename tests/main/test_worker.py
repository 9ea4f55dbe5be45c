"""A real Celery worker and beat on a real Redis, beside a process that only leaves messages."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core import origin
from app.core.origin import Origin
from app.features.levels import service as levels
from app.infra import db, queue
from tests import servers
from tests.features.mail.conftest import SECRET, rows, send
from tests.live import ROOT, environment, wait_until
from tests.postbox import Postbox, postbox
from tests.world import SERVICES, World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="Celery belongs to the services world"),
    pytest.mark.skipif(servers.find_redis() is None, reason="no Redis server found to be the broker"),
]

SECONDS = 30.0
CELERY = (sys.executable, "-m", "celery", "-A", "app.main.worker")


@contextmanager
def celery(world: World, var: Path, *arguments: str, **given: str) -> Iterator[Path]:
    """Run Celery as it is documented; yield what it prints."""
    env = environment(
        var,
        SECRET_KEY=SECRET,
        PUBLIC_URL=world.settings.public_url,
        DATABASE_URL=world.settings.database_url,
        C_FORCE_ROOT="1",
        **given,
    )
    command = [*CELERY, *arguments]
    log = var / f"{arguments[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(SECONDS)


@pytest.fixture(scope="module")
def broker() -> Iterator[servers.Server]:
    with servers.redis() as started:
        yield started


@pytest.fixture
def box(world: World, broker: servers.Server) -> Iterator[Postbox]:
    with postbox() as started:
        world.with_settings(mail_url=started.url, secret_key=(SECRET,), celery_broker_url=broker.url)
        yield started
        queue.connect(world.settings)


def wait_for(box: Postbox, count: int, log: Path) -> None:
    """Return once so many mails have come, and their rows say so."""
    wait_until(lambda: len(box.received) >= count, log.read_text)
    wait_until(lambda: [row.status for row in rows()].count("sent") >= count, log.read_text)


def told(log: Path, message: str) -> list[Any]:
    """Return the lines of a worker with this message."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line["message"] == message]


class TestWorker:
    def test_sends_what_a_message_tells_of_and_with_beat_what_none_did(
        self, world: World, box: Postbox, broker: servers.Server, tmp_path: Path
    ) -> None:
        given = {"MAIL_URL": box.url, "CELERY_BROKER_URL": broker.url}

        with ExitStack() as stack:
            log = stack.enter_context(celery(world, tmp_path, "worker", "--concurrency", "2", **given))
            token = origin.begin(Origin("request-of-ada", trace_id="a" * 32, user_id=7))
            send()
            wait_for(box, 1, log)
            queue.connect(world.settings)  # no broker: nobody is told of the second
            send()
            origin.end(token)
            stack.enter_context(celery(world, tmp_path, "beat", **given))
            wait_for(box, 2, log)
            with db.unit_of_work():
                levels.change("app.features.mail", "ERROR", lasts=timedelta(minutes=1))
            wait_until(lambda: bool(told(log, "a level changed")), log.read_text)
            send()
            wait_for(box, 3, log)

        sent = told(log, "mail sent")
        assert [(line["request_id"], line["trace_id"], line["user_id"]) for line in sent] == [
            ("request-of-ada", "a" * 32, 7)
        ] * 2
        assert box.ids == [f"<{row.id}@carboy.test>" for row in rows()]
        assert "ada@engines.test" not in log.read_text()

    def test_refuses_to_start_without_a_broker(self, tmp_path: Path) -> None:
        run = subprocess.run(
            [*CELERY, "worker"], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False
        )

        assert run.returncode == 1
        assert "CELERY_BROKER_URL is missing. Without it the server does the work." in run.stderr
        assert "Traceback" not in run.stderr
