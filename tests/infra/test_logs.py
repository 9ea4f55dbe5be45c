import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from app.core import origin
from app.core.ids import uuid7
from app.core.origin import Origin
from app.infra import logs
from tests.conftest import Clock
from tests.world import World, settings

log = logging.getLogger("tests.infra")

FORGED = 'x\n{"level":"ERROR","message":"forged"}\r\x1b[2J\x85\u2028\u2029\x7f\0'


@pytest.fixture(autouse=True)
def _connected(world: World) -> None:
    """Logs are connected, as in a server."""


@pytest.fixture
def standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "write", logs._to_stdout)


@pytest.fixture
def request_of_grace() -> Iterator[Origin]:
    source = Origin("request-12345", "a" * 32, "192.0.2.7", "curl", "GET", "/api/v1/users/<id:user_id>", 7)
    token = origin.begin(source)
    yield source
    origin.end(token)


@pytest.fixture
def no_request() -> Iterator[None]:
    token = origin.begin(None)
    yield
    origin.end(token)


def written(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


class TestLine:
    @pytest.mark.usefixtures("no_request")
    def test_tells_when_what_and_from_where(self, lines: list[bytes], clock: Clock) -> None:
        log.warning("the lamp is %s", "broken")

        assert written(lines) == [
            {
                "timestamp": f"{clock.at:%Y-%m-%dT%H:%M:%S}.000Z",
                "level": "WARNING",
                "logger": "tests.infra",
                "message": "the lamp is broken",
            }
        ]

    def test_carries_what_is_known_of_the_request(self, lines: list[bytes], request_of_grace: Origin) -> None:
        log.warning("hello")

        (line,) = written(lines)
        assert {
            name: line[name] for name in ("request_id", "trace_id", "user_id", "ip_address", "method", "route")
        } == {
            "request_id": "request-12345",
            "trace_id": "a" * 32,
            "user_id": 7,
            "ip_address": "192.0.2.7",
            "method": "GET",
            "route": "/api/v1/users/<id:user_id>",
        }

    def test_carries_its_extras(self, lines: list[bytes]) -> None:
        log.warning("hello", extra={"lamp": 3, "at": uuid7, "nested": {"a": [1]}})

        extra = written(lines)[0]["extra"]
        assert (extra["lamp"], extra["nested"]) == (3, {"a": [1]})
        assert "uuid7" in extra["at"]

    def test_carries_the_stack_of_an_exception(self, lines: list[bytes]) -> None:
        try:
            int("lamp")
        except ValueError:
            log.exception("it broke")

        stack = written(lines)[0]["extra"]["exception"]
        assert stack.startswith("Traceback")
        assert "ValueError: invalid literal" in stack

    @pytest.mark.parametrize("place", ["message", "argument", "extra"])
    def test_cannot_be_forged(self, lines: list[bytes], place: str) -> None:
        said = {"message": (FORGED,), "argument": ("%s", FORGED), "extra": ("hello",)}[place]

        log.warning(*said, extra={"sent": FORGED})

        (line,) = lines
        assert line.count(b"\n") == 1
        assert line[:-1].isascii()
        assert all(sign >= 0x20 and sign != 0x7F for sign in line[:-1])
        assert json.loads(line)["extra"]["sent"] == FORGED

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("\ud800", id="a lone surrogate"),
            pytest.param(2**70, id="a number beyond 64 bits"),
            pytest.param({1: "a", "b": 2}, id="keys of two kinds"),
            pytest.param({"a": {b"bytes"}}, id="a set"),
            pytest.param(float("nan"), id="not a number"),
        ],
    )
    def test_is_written_whatever_it_holds(self, lines: list[bytes], value: object) -> None:
        log.warning("hello", extra={"value": value})

        assert [line["message"] for line in written(lines)] == ["hello"]

    def test_is_written_though_its_arguments_do_not_fit(self, lines: list[bytes]) -> None:
        record = logging.makeLogRecord({"msg": "%d lamps", "args": ("no",)})

        logs.JsonHandler().handle(record)

        assert [line["message"] for line in written(lines)] == ["%d lamps"]


class TestStandardOutput:
    @pytest.mark.usefixtures("standard_output")
    def test_gets_the_lines_and_nothing_else(self, capfd: pytest.CaptureFixture[str]) -> None:
        log.warning("one")
        logs.say("Where to look.")
        log.warning("two")

        out, err = capfd.readouterr()
        assert [json.loads(line)["message"] for line in out.splitlines()] == ["one", "two"]
        assert err == "Where to look.\n"

    @pytest.mark.usefixtures("standard_output")
    def test_gets_whole_lines_though_it_takes_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = bytearray()

        def write_a_little(_: int, line: bytes) -> int:
            taken.extend(line[:7])
            return min(7, len(line))

        with monkeypatch.context() as narrow:
            narrow.setattr(os, "write", write_a_little)
            log.warning("a line that is longer than seven bytes")

        assert json.loads(taken)["message"] == "a line that is longer than seven bytes"

    @pytest.mark.parametrize("error", [BrokenPipeError, OSError], ids=["closed", "full"])
    @pytest.mark.usefixtures("standard_output")
    def test_that_fails_loses_the_line_and_nothing_else(
        self, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
    ) -> None:
        tried: list[bytes] = []

        def fail(_: int, line: bytes) -> int:
            tried.append(line)
            raise error

        with monkeypatch.context() as broken:
            broken.setattr(os, "write", fail)
            log.warning("hello")

        assert len(tried) == 1


class TestConnect:
    def test_gathers_the_loggers_of_libraries(self, lines: list[bytes]) -> None:
        logging.getLogger("sqlalchemy.pool").error("lost")

        assert [(line["logger"], line["message"]) for line in written(lines)] == [("sqlalchemy.pool", "lost")]

    def test_gathers_warnings(self, lines: list[bytes]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=False)
            logging.captureWarnings(capture=True)
            warnings.warn("soon gone", stacklevel=1)
        logging.captureWarnings(capture=False)

        (line,) = written(lines)
        assert line["logger"] == "py.warnings"
        assert "soon gone" in line["message"]

    @pytest.mark.parametrize(("least", "messages"), [("ERROR", ["two"]), ("INFO", ["one", "two"])])
    def test_leaves_out_what_is_below_the_level(
        self, world: World, lines: list[bytes], least: str, messages: list[str]
    ) -> None:
        world.reassembled = True

        logs.connect(settings(world.var, log_level=least))
        log.info("one")
        log.error("two")

        assert [line["message"] for line in written(lines)] == messages

    def test_twice_writes_each_line_once(self, world: World, lines: list[bytes]) -> None:
        logs.connect(world.settings)
        logs.connect(world.settings)

        log.warning("hello")

        assert len(lines) == 1
