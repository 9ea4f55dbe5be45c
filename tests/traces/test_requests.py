"""What a receiver of OTLP, a process of its own, is told of requests."""

import json
from typing import Any

import pytest

from app.infra import tracing
from tests.api import Api, a_user
from tests.receiver import Receiver
from tests.world import SERVICES, World

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, CLIENT = 2, 3
ERROR = 2

pytestmark = pytest.mark.slow


def ask(world: World, path: str, **headers: str) -> Any:
    answer = Api(world.app).get(path, headers=headers)
    tracing.stop()
    return answer


class TestRequest:
    def test_is_a_span_named_after_its_route(self, world: World, traced: Receiver) -> None:
        answer = Api(world.app).as_(a_user()).get("/auth/me?token=of-no-one")
        tracing.stop()

        (span,) = traced.named("GET /auth/me")
        assert (span["kind"], span["parent"], span["status"]) == (SERVER, "", 0)
        assert span["attributes"] == {
            "http.request.method": "GET",
            "http.route": "/auth/me",
            "http.response.status_code": 200,
            "http.response.header.x-request-id": [answer.headers["X-Request-ID"]],
        }
        assert span["resource"]["service.name"] == "carboy-under-test"
        assert span["resource"]["deployment.environment.name"] == "development"

    def test_that_finds_no_route_is_named_after_its_method(self, world: World, traced: Receiver) -> None:
        ask(world, "/of/no/such-thing")

        assert [span["name"] for span in traced.spans if span["kind"] == SERVER] == ["GET"]
        assert b"such-thing" not in traced.text

    def test_that_fails_is_an_error_without_its_text(
        self, world: World, traced: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**_: object) -> None:
            raise ValueError("the mail of ada@people.example")

        monkeypatch.setitem(world.app.view_functions, "health.health", fail)
        answer = ask(world, "/health")

        (span,) = [span for span in traced.spans if span["kind"] == SERVER]
        assert answer.status_code == 500
        assert (span["status"], span["attributes"]["error.type"]) == (ERROR, "500")
        assert b"ada@people" not in traced.text

    def test_continues_the_trace_of_its_caller(self, world: World, traced: Receiver, lines: list[bytes]) -> None:
        ask(world, "/health", traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="vendor=private")

        (span,) = traced.named("GET /health")
        assert (span["trace_id"], span["parent"]) == (TRACE, PARENT)
        assert json.loads(lines[-1])["trace_id"] == TRACE
        assert b"private" not in traced.text

    def test_is_not_sent_if_its_caller_keeps_no_trace(self, world: World, traced: Receiver, lines: list[bytes]) -> None:
        ask(world, "/health", traceparent=f"00-{TRACE}-{PARENT}-00")

        assert traced.spans == []
        assert json.loads(lines[-1])["trace_id"] == TRACE

    def test_without_a_caller_begins_a_trace_that_its_log_line_tells(
        self, world: World, traced: Receiver, lines: list[bytes]
    ) -> None:
        ask(world, "/health", traceparent="00-forged")

        (span,) = traced.named("GET /health")
        assert json.loads(lines[-1])["trace_id"] == span["trace_id"]

    def test_is_kept_in_the_share_that_is_set(self, world: World, otlp: Receiver, lines: list[bytes]) -> None:
        world.with_settings(otel_exporter_otlp_endpoint=otlp.url, otel_traces_sampler_arg=0)
        tracing.start()

        ask(world, "/health")

        assert otlp.spans == []
        assert len(json.loads(lines[-1])["trace_id"]) == 32


class TestNeighbours:
    def test_are_spans_within_the_request(self, world: World, traced: Receiver) -> None:
        signed_in = Api(world.app).as_(a_user())
        signed_in.get("/auth/me")
        signed_in.patch("/auth/me", json={"first_name": "Grace-of-the-Navy"})
        tracing.stop()

        servers = {span["span_id"]: span["name"] for span in traced.spans if span["kind"] == SERVER}
        queries = [span for span in traced.spans if "db.query.text" in span["attributes"]]
        for request in ("GET /auth/me", "PATCH /auth/me"):
            assert [one["attributes"]["db.query.text"] for one in queries if servers.get(one["parent"]) == request]
        assert any(one["attributes"]["db.query.text"].startswith("UPDATE users") for one in queries)
        assert {one["attributes"]["db.system.name"] for one in queries} <= {"sqlite", "postgresql", "redis"}
        assert b"Grace-of-the-Navy" not in traced.text

    @pytest.mark.skipif(not SERVICES, reason="Redis belongs to the services world")
    def test_of_redis_show_the_command_and_no_key(self, world: World, traced: Receiver) -> None:
        world.with_settings(otel_exporter_otlp_endpoint=traced.url, ratelimit_scale=1)
        tracing.start()

        ask(world, "/auth/me")

        commands = [one for one in traced.spans if one["attributes"].get("db.system.name") == "redis"]
        assert [one["attributes"]["db.query.text"].split()[0] for one in commands][-1] == "EVALSHA"
        assert b"carboy:hits" not in traced.text


class TestLibrary:
    def test_that_says_too_much_is_not_heard_outside(self, world: World, traced: Receiver) -> None:
        assert tracing._spans is not None
        tracer = tracing._spans._provider.get_tracer("talkative")
        statement = "SELECT 1 FROM users WHERE email = 'ada@people.example' AND id = 815002719664"
        with (
            pytest.raises(ValueError, match="grace"),
            tracer.start_as_current_span(
                "talk", attributes={"url.full": "/?token=Horse-7", "db.query.text": statement}
            ),
        ):
            raise ValueError("grace@navy.test is taken")
        tracing.stop()

        (span,) = traced.named("talk")
        assert span["attributes"] == {"db.query.text": "SELECT ? FROM users WHERE email = ? AND id = ?"}
        assert "ValueError" in span["raw"]
        secrets = (b"Horse-7", b"ada@", b"815002719664", b"grace@", b"Traceback")
        assert [secret for secret in secrets if secret in traced.text] == []


class TestStop:
    def test_is_over_when_it_is_over(self, world: World, traced: Receiver) -> None:
        tracing.stop()
        tracing.stop()

        assert Api(world.app).get("/health").status_code == 200
