"""flask logs: levels of single loggers, stored for every process, audited, over by themselves."""

import json
import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskCliRunner

from app.core.errors import Unavailable
from app.features.levels import service as levels
from app.infra import levels as loggers
from app.infra import logs
from tests.api import Api
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.world import World

AUTH = "app.features.auth"


@pytest.fixture
def run(world: World) -> Iterator[FlaskCliRunner]:
    logs.connect(world.settings)
    yield world.app.test_cli_runner()
    loggers.apply(())


def set_level(run: FlaskCliRunner, *args: str) -> str:
    result = run.invoke(args=["logs", "level", *args])
    assert result.exit_code == 0, result.output
    return result.output


class TestLevel:
    def test_holds_in_a_process_that_looks(self, run: FlaskCliRunner) -> None:
        set_level(run, AUTH, "DEBUG", "--for", "15m")
        assert loggers.in_force() == {}

        levels.refresh()

        assert loggers.in_force() == {AUTH: "DEBUG"}

    def test_says_until_when(self, run: FlaskCliRunner, clock: Clock) -> None:
        output = set_level(run, AUTH, "debug", "--for", "2h")

        clock.advance(hours=2)
        assert output == f"{AUTH}  DEBUG  until {clock.at:%Y-%m-%dT%H:%M:%S}.000Z\n"

    def test_lasts_fifteen_minutes_and_no_longer(self, run: FlaskCliRunner, clock: Clock) -> None:
        set_level(run, AUTH, "DEBUG")

        clock.advance(minutes=14, seconds=59)
        levels.refresh()
        before = loggers.in_force()
        clock.advance(seconds=1)
        levels.refresh()

        assert (before, loggers.in_force()) == ({AUTH: "DEBUG"}, {})

    def test_replaces_the_one_before(self, run: FlaskCliRunner) -> None:
        set_level(run, AUTH, "DEBUG")
        set_level(run, AUTH, "ERROR")

        levels.refresh()

        assert loggers.in_force() == {AUTH: "ERROR"}

    def test_is_audited(self, run: FlaskCliRunner) -> None:
        set_level(run, AUTH, "DEBUG", "--for", "90s")

        (event,) = audited("log_level_changed")
        assert (event.detail, event.outcome) == ({"level": "DEBUG", "seconds": 90}, "success")
        assert event.target is not None
        assert event.target.id == AUTH

    def test_survives_a_restart(self, world: World, run: FlaskCliRunner) -> None:
        set_level(run, AUTH, "DEBUG")
        world.with_settings()

        levels.refresh()

        assert loggers.in_force() == {AUTH: "DEBUG"}

    def test_is_over_in_time_while_the_database_is_away(
        self, run: FlaskCliRunner, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_level(run, AUTH, "ERROR", "--for", "1m")
        levels.refresh()
        clock.advance(minutes=1)

        def away() -> None:
            raise Unavailable

        monkeypatch.setattr(levels, "_stored", away)
        with pytest.raises(Unavailable):
            levels.refresh()

        assert loggers.in_force() == {}

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            pytest.param(("app.featurs.auth", "DEBUG"), "Did you mean app.features.auth", id="a slip of the finger"),
            pytest.param((AUTH, "LOUD"), "'LOUD' is not one of", id="an unknown level"),
            pytest.param(("sqlalchemy.engine", "INFO"), "may write secrets", id="statements"),
            pytest.param(("urllib3.connectionpool", "DEBUG"), "may write secrets", id="addresses"),
            pytest.param(("authlib", "DEBUG"), "may write secrets", id="PKCE verifiers"),
            pytest.param(("root", "DEBUG"), "may write secrets", id="everything"),
            pytest.param((AUTH, "DEBUG", "--for", "25h"), "24 hours at most", id="for longer than a day"),
            pytest.param((AUTH, "DEBUG", "--for", "0s"), "24 hours at most", id="for no time"),
            pytest.param((AUTH, "DEBUG", "--for", "soon"), "90s, 15m or 2h", id="for an unclear time"),
        ],
    )
    def test_is_refused(self, run: FlaskCliRunner, args: tuple[str, ...], said: str) -> None:
        logging.getLogger("urllib3.connectionpool")
        logging.getLogger("authlib")

        result = run.invoke(args=["logs", "level", *args])

        assert result.exit_code != 0
        assert said in result.output
        assert levels.current() == []


class TestList:
    def test_shows_what_holds_and_not_what_is_over(self, run: FlaskCliRunner, clock: Clock) -> None:
        set_level(run, AUTH, "DEBUG", "--for", "1m")
        set_level(run, "app.infra", "ERROR", "--for", "2m")
        clock.advance(minutes=1)

        output = run.invoke(args=["logs", "list"]).output

        assert output.startswith("app.infra  ERROR  until ")
        assert len(output.splitlines()) == 1

    def test_says_so_when_there_is_none(self, run: FlaskCliRunner) -> None:
        assert run.invoke(args=["logs", "list"]).output == "None.\n"


class TestReset:
    @pytest.mark.parametrize("args", [(AUTH,), ()], ids=["one", "all"])
    def test_ends_it_before_its_time(self, run: FlaskCliRunner, args: tuple[str, ...]) -> None:
        set_level(run, AUTH, "DEBUG")
        levels.refresh()

        output = run.invoke(args=["logs", "reset", *args]).output
        levels.refresh()

        assert (output, loggers.in_force()) == (f"{AUTH}\n", {})
        assert [event.target.id for event in audited("log_level_reset") if event.target] == [AUTH]

    def test_of_a_usual_level_is_refused(self, run: FlaskCliRunner) -> None:
        result = run.invoke(args=["logs", "reset", AUTH])

        assert result.exit_code == 1
        assert "has its usual level" in result.output

    def test_of_none_says_so(self, run: FlaskCliRunner) -> None:
        assert run.invoke(args=["logs", "reset"]).output == "None.\n"


class TestDebug:
    def test_of_a_feature_tells_why_it_refused_and_no_secret(
        self, api: Api, run: FlaskCliRunner, lines: list[bytes]
    ) -> None:
        set_level(run, AUTH, "DEBUG")
        levels.refresh()

        api.post("/auth/login", {"username": "nobody", "password": "A-Secret-Of-Nobody-1"})

        told = [json.loads(line) for line in lines if b'"refused"' in line]
        assert [line["extra"]["code"] for line in told] == ["INVALID_CREDENTIALS"]
        assert told[0]["logger"] == "app.features.auth.routes"
        assert told[0]["request_id"]
        assert any(frame.startswith("signin.") for frame in told[0]["extra"]["raised_in"])

    def test_is_not_told_usually(self, api: Api, lines: list[bytes]) -> None:
        api.post("/auth/login", {"username": "nobody", "password": "A-Secret-Of-Nobody-1"})

        assert [line for line in lines if b'"refused"' in line] == []
