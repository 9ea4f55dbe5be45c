"""Levels of single loggers for a time: what holds, what is never let down, what ends it."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.infra import levels, logs
from app.infra.levels import TELL_SECRETS, Override
from tests.conftest import Clock
from tests.world import World, settings

OURS = "app.features.auth.routes"
log = logging.getLogger(OURS)


@pytest.fixture(autouse=True)
def _put_back(world: World) -> Iterator[None]:
    logs.connect(world.settings)
    yield
    levels.apply(())


def hold(clock: Clock, logger: str, level: str, minutes: float = 15) -> None:
    levels.apply([Override(logger, level, clock.now() + timedelta(minutes=minutes))])


def messages(lines: list[bytes], *, of: str = OURS) -> list[str]:
    return [line["message"] for line in map(json.loads, lines) if line["logger"] == of]


class TestApply:
    def test_lets_one_logger_write_more(self, lines: list[bytes], clock: Clock) -> None:
        hold(clock, "app.features.auth", "DEBUG")

        log.debug("seen")
        logging.getLogger("app.features.mail").debug("not seen")

        assert messages(lines) == ["seen"]
        assert messages(lines, of="app.features.mail") == []
        assert messages(lines, of="app.infra.levels") == ["a level changed"]

    def test_lets_one_logger_write_less(self, lines: list[bytes], clock: Clock) -> None:
        hold(clock, OURS, "ERROR")

        log.warning("not seen")
        log.error("seen")

        assert messages(lines) == ["seen"]

    def test_puts_back_what_is_no_longer_wanted(self, lines: list[bytes], clock: Clock) -> None:
        hold(clock, OURS, "DEBUG")
        hold(clock, "app.features.mail", "DEBUG")

        log.debug("not seen")

        assert messages(lines) == []
        assert levels.in_force() == {"app.features.mail": "DEBUG"}

    def test_leaves_out_what_is_already_over(self, clock: Clock) -> None:
        hold(clock, OURS, "DEBUG", minutes=-1)

        assert levels.in_force() == {}

    def test_is_forgotten_when_the_process_is_assembled_anew(self, world: World, clock: Clock) -> None:
        hold(clock, OURS, "DEBUG")

        logs.connect(world.settings)

        assert (levels.in_force(), log.level) == ({}, logging.NOTSET)


class TestEnd:
    def test_comes_with_the_next_line_though_nobody_looks(self, lines: list[bytes], clock: Clock) -> None:
        hold(clock, OURS, "DEBUG", minutes=15)
        log.debug("seen")
        clock.advance(minutes=15)

        log.debug("not seen")

        assert messages(lines) == ["seen"]
        assert log.level == logging.NOTSET

    def test_loses_no_line_of_the_usual_level(self, lines: list[bytes], clock: Clock) -> None:
        hold(clock, OURS, "DEBUG", minutes=15)
        clock.advance(minutes=15)

        log.info("seen")

        assert messages(lines) == ["seen"]
        assert messages(lines, of="app.infra.levels") == ["a level changed", "a level is over"]

    def test_gives_each_logger_the_level_it_had(self, clock: Clock) -> None:
        usual = logging.getLogger("alembic").level

        hold(clock, "alembic", "ERROR", minutes=15)
        clock.advance(minutes=15)
        levels.end_lapsed()

        assert logging.getLogger("alembic").level == usual == logging.WARNING


class TestSecrets:
    @pytest.mark.parametrize("logger", [*TELL_SECRETS, "sqlalchemy.engine.Engine", "urllib3.connectionpool"])
    def test_of_libraries_that_tell_them_are_kept_though_a_row_says_otherwise(self, clock: Clock, logger: str) -> None:
        hold(clock, logger, "DEBUG")

        assert logging.getLogger(logger).getEffectiveLevel() == logging.WARNING

    @pytest.mark.parametrize("logger", TELL_SECRETS)
    def test_are_kept_though_everything_is_at_debug(self, world: World, logger: str) -> None:
        logs.connect(settings(world.var, log_level="DEBUG"))
        world.reassembled = True

        assert logging.getLogger(logger).getEffectiveLevel() == logging.WARNING

    def test_of_other_libraries_are_kept_at_info(self, clock: Clock) -> None:
        hold(clock, "werkzeug", "DEBUG")

        assert logging.getLogger("werkzeug").level == logging.INFO

    def test_are_kept_though_the_root_is_let_down(self, clock: Clock) -> None:
        hold(clock, "root", "DEBUG")

        assert logging.getLogger().level == logging.INFO

    @pytest.mark.parametrize("logger", ["app", "app.infra.db", "access"])
    def test_are_none_of_ours(self, logger: str) -> None:
        assert levels.least(logger) == "DEBUG"

    def test_of_a_library_whose_name_only_begins_like_ours(self) -> None:
        assert levels.least("apprise") == "INFO"
