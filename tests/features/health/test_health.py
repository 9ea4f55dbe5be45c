"""GET /health and /healthz: the process answers, whatever is down, and asks nobody."""

import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from app.core.version import VERSION
from tests.api import Api
from tests.live import free_port
from tests.world import World, counted_statements

PATHS = ("/health", "/healthz")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A neighbour that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.mark.parametrize("path", PATHS)
class TestHealth:
    def test_says_that_the_process_answers(self, api: Api, path: str) -> None:
        answer = api.get(path)

        assert answer.status_code == 200
        assert answer.mimetype == "application/json"
        assert answer.json.keys() == {"status", "timestamp", "version", "service"}
        assert (answer.json["status"], answer.json["version"], answer.json["service"]) == ("healthy", VERSION, "carboy")
        assert datetime.fromisoformat(answer.json["timestamp"]).utcoffset() is not None

    def test_asks_the_database_nothing(self, api: Api, path: str) -> None:
        with counted_statements() as statements:
            api.get(path)

        assert statements == []

    def test_opens_no_connection(self, world: World, listener: socket.socket, path: str) -> None:
        port = listener.getsockname()[1]
        app = world.with_settings(
            database_url=f"postgresql://nobody@127.0.0.1:{port}/none",
            redis_url=f"redis://127.0.0.1:{port}/0",
            ratelimit_scale=1,
        )

        answer = Api(app).get(path)

        assert answer.status_code == 200
        with pytest.raises(BlockingIOError):
            listener.accept()

    def test_answers_though_everything_is_down(self, world: World, path: str) -> None:
        port = free_port()
        app = world.with_settings(
            database_url=f"postgresql://nobody@127.0.0.1:{port}/none", redis_url=f"redis://127.0.0.1:{port}/0"
        )

        assert Api(app).get(path).status_code == 200

    def test_answers_though_the_database_file_is_gone(self, world: World, tmp_path: Path, path: str) -> None:
        file = tmp_path / "gone.db"
        app = world.with_settings(database_url=f"sqlite:///{file}")

        answer = Api(app).get(path)

        assert answer.status_code == 200
        assert not file.exists()

    def test_is_never_limited(self, world: World, path: str) -> None:
        app = world.with_settings(ratelimit_scale=1, ratelimit_anonymous="1/minute")

        answers = [Api(app).get(path) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert not any(name.startswith("RateLimit") for name, _ in answers[0].headers)

    def test_is_not_kept_by_anybody(self, api: Api, path: str) -> None:
        assert api.get(path).headers["Cache-Control"] == "no-store"

    def test_goes_by_the_name_of_the_service(self, world: World, path: str) -> None:
        app = world.with_settings(service_name="accounts")

        assert Api(app).get(path).json["service"] == "accounts"
