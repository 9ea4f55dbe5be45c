from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

from app.infra import migrations
from tests.api import an_admin
from tests.live import free_port
from tests.main.conftest import Start
from tests.world import World


def examined(world: World, **changed: object) -> tuple[int, list[str]]:
    """Return the exit code of ``flask doctor`` and its lines."""
    run = FlaskCliRunner(world.with_settings(**changed)).invoke(args=["doctor"])
    return run.exit_code, run.stdout.splitlines()


class TestDoctor:
    def test_finds_nothing_to_mend_in_a_healthy_service(self, world: World) -> None:
        an_admin()

        code, lines = examined(world)

        assert code == 0
        assert "✓ development, reached at http://carboy.test" in lines
        assert "✓ migrations are all applied" in lines
        assert "✓ there is an administrator" in lines
        assert [line for line in lines if line.startswith("✗")] == []

    def test_says_which_database_it_asked(self, world: World) -> None:
        _, lines = examined(world)

        asked = next(line for line in lines if line.startswith("✓ database answers: "))
        assert asked.removeprefix("✓ database answers: ").startswith(("sqlite:///", "postgresql+psycopg://"))

    def test_finds_nothing_to_say_of_safe_production(self, start: Start) -> None:
        run = FlaskCliRunner(start()).invoke(args=["doctor"])

        assert run.exit_code == 0
        assert "production would refuse" not in run.stdout
        assert "✓ production, reached at https://accounts.carboy.test" in run.stdout

    def test_misses_an_administrator(self, world: World) -> None:
        code, lines = examined(world)

        assert code == 0
        assert "! there is no administrator yet: run 'flask create-admin'" in lines

    def test_names_what_production_would_refuse(self, world: World) -> None:
        code, lines = examined(world, allowed_origins=("*",))

        assert code == 0
        assert "! production would refuse: ALLOWED_ORIGINS has '*'. List the exact origins of your own pages." in lines

    @pytest.mark.parametrize(
        ("changed", "line"),
        [
            pytest.param(
                {"host": "192.0.2.7"},
                "! development settings listen on 192.0.2.7, where others reach them",
                id="development for everybody",
            ),
            pytest.param(
                {"ratelimit_scale": 0},
                "! RATELIMIT_SCALE=0: traffic and registrations are not limited",
                id="no limits",
            ),
            pytest.param(
                {"workers": 2, "redis_url": ""},
                "! several processes and no REDIS_URL: each limits its own part of the traffic",
                id="workers without Redis",
            ),
            pytest.param(
                {"redis_url": ""},
                "✓ no Redis: limits and counters live in this process and the database",
                id="no Redis",
            ),
        ],
    )
    def test_says_what_the_settings_mean(self, world: World, changed: dict[str, object], line: str) -> None:
        code, lines = examined(world, **changed)

        assert code == 0
        assert line in lines

    def test_survives_a_redis_that_is_away(self, world: World) -> None:
        code, lines = examined(world, redis_url=f"redis://:a-secret-word@127.0.0.1:{free_port()}/0")

        assert code == 0
        assert "! Redis does not answer; the service works without it, degraded" in lines
        assert "a-secret-word" not in "".join(lines)

    def test_demands_a_database_that_answers(self, world: World) -> None:
        code, lines = examined(world, database_url=f"postgresql://carboy:a-secret-word@127.0.0.1:{free_port()}/carboy")

        assert code == 1
        assert [
            line for line in lines if line.startswith("✗ database does not answer: postgresql+psycopg://carboy:***@")
        ]
        assert "a-secret-word" not in "".join(lines)

    def test_demands_that_migrations_are_applied(self, world: World, empty_url: str) -> None:
        code, lines = examined(world, database_url=empty_url)

        assert code == 1
        assert "✗ migrations are pending: run 'flask db upgrade'" in lines
        assert migrations.current() is None

    def test_demands_a_server_for_several_instances(self, world: World, tmp_path: Path) -> None:
        code, lines = examined(world, replicas=2, database_url=f"sqlite:///{tmp_path}/it.db")

        assert code == 1
        assert "✗ SQLite cannot be shared by several instances; set DATABASE_URL" in lines


class TestNeighboursOfMail:
    def test_says_where_mail_goes(self, world: World) -> None:
        here, there = examined(world)[1], examined(world, mail_url="smtp://ada:canary@mail.test")[1]

        assert f"✓ no mail server: mail becomes files in {world.var / 'mail'}" in here
        assert "✓ mail goes to mail.test:587; 'flask mail test ADDRESS' shows whether it arrives" in there
        assert "canary" not in "".join(there)

    def test_warns_of_a_broker_that_does_not_answer(self, world: World) -> None:
        code, lines = examined(world, celery_broker_url=f"redis://127.0.0.1:{free_port()}/0")

        assert code == 0
        assert "! the broker does not answer; mail waits" in lines
