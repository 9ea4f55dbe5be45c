from pathlib import Path

import pytest
from click import Command, Context

from app.core.config import UnsafeSettings
from app.infra import migrations
from app.main.factory import create_app
from app.main.starting import RefusesToStart
from tests.infra.fake_redis import silent_redis
from tests.main.conftest import Start
from tests.world import World, settings


class TestCreateApp:
    def test_opens_no_connection(self, world: World, tmp_path: Path) -> None:
        world.dirty = world.reassembled = True
        with silent_redis() as cache, silent_redis() as database:
            url = database.url.replace("redis://", "postgresql://carboy@")

            create_app(settings(tmp_path, database_url=url, redis_url=cache.url))

            assert (cache.connections(), database.connections()) == (0, 0)

    def test_makes_no_file(self, world: World, tmp_path: Path) -> None:
        world.dirty = world.reassembled = True

        create_app(settings(tmp_path, database_url=f"sqlite:///{tmp_path}/it.db", redis_url=""))

        assert list(tmp_path.iterdir()) == []

    def test_reads_the_environment_when_it_is_given_nothing(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.dirty = world.reassembled = True
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SERVICE_NAME", "flagon")

        assert create_app().name == "flagon"

    def test_refuses_settings_that_cannot_be_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DATABASE_URL", "mysql://somewhere")

        with pytest.raises(UnsafeSettings, match="DATABASE_URL must begin with"):
            create_app()


class TestWsgiApp:
    def test_prepares_the_database_for_a_server(self, start: Start) -> None:
        start()

        assert migrations.current() == migrations.head()

    def test_prepares_the_database_for_flask_run(self, start: Start) -> None:
        with Context(Command("run"), info_name="run"):
            start()

        assert migrations.current() == migrations.head()

    def test_begins_the_work_beside_requests(self, start: Start, background: list[str]) -> None:
        start()

        assert background == ["started"]

    @pytest.mark.parametrize("command", ["flask", "doctor", "db", "mail", "serve"])
    def test_begins_no_such_work_for_a_command(self, start: Start, background: list[str], command: str) -> None:
        with Context(Command(command), info_name=command):
            start()

        assert background == []

    @pytest.mark.parametrize("command", ["flask", "doctor", "db"])
    def test_lets_commands_through_that_may_have_to_mend_things(self, start: Start, command: str) -> None:
        with Context(Command(command), info_name=command):
            start(MIGRATE_ON_START="")

        assert migrations.current() is None

    def test_says_in_words_what_it_refuses(self, configure: Start) -> None:
        with pytest.raises(RefusesToStart) as refusal:
            configure(DATABASE_URL="mysql://somewhere", PORT="what")

        assert "PORT: Input should be a valid integer" in str(refusal.value)
        assert refusal.value.__suppress_context__

    def test_serves_on_the_database_that_it_prepared(self, start: Start) -> None:
        app = start()

        answer = app.test_client().get("/readiness")

        assert (answer.status_code, answer.json["status"]) == (200, "ready")  # type: ignore[index]  # it is JSON
