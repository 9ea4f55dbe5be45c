"""GET /readiness: whether this instance can do its work, and which neighbour cannot."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.features.health import service as health
from app.infra import migrations
from tests.api import Answer, Api
from tests.live import free_port
from tests.postbox import postbox
from tests.world import SERVICES, World

CHECKS = {"database", "migrations", "redis", "queue", "storage", "disk_space"}


def statuses(answer: Answer) -> dict[str, str]:
    return {name: check["status"] for name, check in answer.json["checks"].items()}


def ready(world: World, **settings: Any) -> Answer:
    """Ask an instance with these settings."""
    return Api(world.with_settings(**settings)).get("/readiness")


@pytest.fixture
def hanging() -> Iterator[socket.socket]:
    """A neighbour that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def url_of(server: socket.socket) -> str:
    return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(health, "_LIMIT_SECONDS", 0.5)
    return 0.5


class TestReady:
    def test_is_an_instance_whose_neighbours_all_answer(self, api: Api) -> None:
        answer = api.get("/readiness")

        redis = "up" if SERVICES else "disabled"
        assert answer.status_code == 200
        assert answer.json.keys() == {"status", "timestamp", "checks"}
        assert answer.json["status"] == "ready"
        assert statuses(answer) == {
            **dict.fromkeys(CHECKS, "up"),
            "redis": redis,
            "queue": "disabled",
            "mail": "disabled",
        }

    @pytest.mark.skipif(not SERVICES, reason="the embedded world has no Redis to be a broker")
    def test_is_an_instance_whose_broker_answers(self, world: World) -> None:
        answer = ready(world, celery_broker_url=os.environ["TEST_REDIS_URL"])

        assert (answer.json["status"], statuses(answer)["queue"]) == ("ready", "up")

    def test_is_an_instance_whose_mail_server_greets(self, world: World) -> None:
        with postbox() as box:
            answer = ready(world, mail_url=box.url)

        assert (answer.json["status"], statuses(answer)["mail"]) == ("ready", "up")

    def test_says_how_long_each_took(self, api: Api) -> None:
        checks = api.get("/readiness").json["checks"]

        assert all("latency_ms" in check for check in checks.values())
        assert all(0 <= check["latency_ms"] < 2000 for check in checks.values() if check["status"] == "up")

    def test_says_how_much_disk_is_left(self, world: World, api: Api) -> None:
        check = api.get("/readiness").json["checks"]["disk_space"]

        assert check["available_gb"] == pytest.approx(shutil.disk_usage(world.var).free / 1e9, abs=0.5)

    def test_says_so_of_the_disk_alone(self, api: Api) -> None:
        checks = api.get("/readiness").json["checks"]

        assert [name for name, check in checks.items() if "available_gb" in check] == ["disk_space"]

    def test_leaves_nothing_in_the_folder(self, world: World, api: Api) -> None:
        api.get("/readiness")
        before = sorted(path.name for path in world.var.iterdir())

        api.get("/readiness")

        assert sorted(path.name for path in world.var.iterdir()) == before

    def test_is_never_limited(self, world: World) -> None:
        answers = [
            ready(world, ratelimit_scale=1, ratelimit_anonymous="1/minute").status_code,
            *(Api(world.app).get("/readiness").status_code for _ in range(2)),
        ]

        assert answers == [200, 200, 200]


class TestNotReady:
    def test_is_an_instance_without_its_database(self, world: World) -> None:
        answer = ready(world, database_url=f"postgresql://nobody:zorglub@127.0.0.1:{free_port()}/none")

        assert answer.status_code == 503
        assert answer.json["status"] == "not_ready"
        assert statuses(answer)["database"] == statuses(answer)["migrations"] == "down"
        assert statuses(answer)["disk_space"] == "up"

    def test_is_an_instance_whose_schema_is_behind(self, world: World, tmp_path: Path) -> None:
        answer = ready(world, database_url=f"sqlite:///{tmp_path / 'empty.db'}")

        assert answer.status_code == 503
        assert answer.json["status"] == "not_ready"
        assert (statuses(answer)["database"], statuses(answer)["migrations"]) == ("up", "down")

    def test_becomes_ready_once_migrated(self, world: World, tmp_path: Path) -> None:
        before = ready(world, database_url=f"sqlite:///{tmp_path / 'new.db'}")
        migrations.upgrade()
        after = Api(world.app).get("/readiness")

        assert (before.status_code, after.status_code) == (503, 200)

    def test_says_when_to_ask_again(self, world: World, tmp_path: Path) -> None:
        answer = ready(world, database_url=f"sqlite:///{tmp_path / 'empty.db'}")

        assert int(answer.headers["Retry-After"]) > 0

    def test_tells_no_secret(self, world: World) -> None:
        port = free_port()

        answer = ready(
            world,
            database_url=f"postgresql://nobody:zorglub@127.0.0.1:{port}/none",
            redis_url=f"redis://:zorglub@127.0.0.1:{port}/0",
        )

        assert "zorglub" not in answer.text
        assert f":{port}" not in answer.text
        assert "127.0.0.1" not in answer.text


class TestDegraded:
    def test_is_an_instance_whose_mail_server_hangs(self, world: World, hanging: socket.socket) -> None:
        answer = ready(world, mail_url=f"smtp://127.0.0.1:{hanging.getsockname()[1]}")

        assert (answer.status_code, answer.json["status"]) == (200, "degraded")
        assert statuses(answer)["mail"] == "down"

    def test_is_an_instance_without_its_redis(self, world: World) -> None:
        answer = ready(world, redis_url=f"redis://127.0.0.1:{free_port()}/0")

        assert answer.status_code == 200
        assert answer.json["status"] == "degraded"
        assert statuses(answer)["redis"] == "down"
        assert statuses(answer)["database"] == "up"

    def test_is_an_instance_without_its_broker(self, world: World) -> None:
        answer = ready(world, celery_broker_url=f"redis://:zorglub@127.0.0.1:{free_port()}/0")

        assert (answer.status_code, answer.json["status"]) == (200, "degraded")
        assert statuses(answer)["queue"] == "down"
        assert "zorglub" not in answer.text

    def test_is_an_instance_without_its_folder(self, world: World, tmp_path: Path) -> None:
        answer = ready(world, var_dir=tmp_path / "gone", database_url=world.settings.database)

        assert answer.status_code == 200
        assert answer.json["status"] == "degraded"
        assert statuses(answer)["storage"] == statuses(answer)["disk_space"] == "down"

    def test_is_an_instance_with_a_full_disk(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "_LEAST_DISK_GB", 1e9)

        answer = Api(world.app).get("/readiness")

        assert (answer.status_code, answer.json["status"]) == (200, "degraded")
        assert statuses(answer)["disk_space"] == "down"


class TestTimeLimit:
    def test_ends_waiting_for_a_redis_that_hangs(
        self, world: World, hanging: socket.socket, little_time: float
    ) -> None:
        started = time.monotonic()

        answer = ready(world, redis_url=url_of(hanging), redis_seconds=5.0)

        assert time.monotonic() - started < little_time + 1
        assert (answer.status_code, answer.json["status"]) == (200, "degraded")
        assert statuses(answer)["redis"] == "down"

    def test_ends_waiting_for_a_database_that_hangs(
        self, world: World, hanging: socket.socket, little_time: float
    ) -> None:
        started = time.monotonic()

        answer = ready(world, database_url=url_of(hanging).replace("redis", "postgresql"))

        assert time.monotonic() - started < little_time + 1
        assert (answer.status_code, answer.json["status"]) == (503, "not_ready")
        assert statuses(answer)["database"] == "down"

    def test_keeps_one_question_open_however_often_one_asks(
        self, world: World, hanging: socket.socket, little_time: float
    ) -> None:
        first = ready(world, redis_url=url_of(hanging), redis_seconds=5.0)
        second = Api(world.app).get("/readiness")

        assert statuses(first)["redis"] == statuses(second)["redis"] == "down"
        with hanging.accept()[0], pytest.raises(BlockingIOError):
            hanging.accept()
