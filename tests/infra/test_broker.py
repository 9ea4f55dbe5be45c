"""Messages to a broker that may be away."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.infra import db, queue
from tests.api import Api, a_user
from tests.live import ROOT, environment, free_port
from tests.world import World

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:kombu", "ignore::DeprecationWarning:celery")


@pytest.fixture
def no_broker(world: World) -> Iterator[None]:
    world.with_settings(celery_broker_url=f"redis://127.0.0.1:{free_port()}/0")
    yield
    queue.connect(world.settings)


@pytest.mark.usefixtures("no_broker")
class TestBrokerAway:
    def test_costs_one_line_and_no_request_its_success(self, world: World, lines: list[bytes]) -> None:
        started = time.monotonic()

        for _ in range(20):
            with db.unit_of_work():
                queue.enqueue("mail.deliver")

        told = [json.loads(line) for line in lines if b"the broker does not answer" in line]
        assert [line["level"] for line in told] == ["WARNING"]
        assert time.monotonic() - started < 3

    def test_leaves_the_api_as_it_was(self, world: World) -> None:
        signed_in = Api(world.app).as_(a_user())

        assert signed_in.get("/auth/me").status_code == 200

    def test_starts_no_thread_in_its_place(self) -> None:
        queue.start()

        assert queue._background is None


class TestCelery:
    @pytest.mark.slow
    def test_is_not_imported_without_a_broker(self, tmp_path: Path) -> None:
        program = (
            "import sys; from app.core.config import load; from app.main.factory import create_app;"
            "create_app(load(env_file=None)); print([name for name in ('celery', 'kombu') if name in sys.modules])"
        )

        run = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
        )

        assert run.stdout.strip() == "[]"
