import json
from typing import Any

import pytest

from app.core.ids import UUID
from tests.api import Api, a_user, an_admin
from tests.web.answers import BROWSER, PROBLEM, TIMESTAMP
from tests.web.conftest import Layered
from tests.world import World

KEPT = [
    pytest.param("a" * 8, id="8 signs"),
    pytest.param("A" * 64, id="64 signs"),
    pytest.param("Az09._-Az09", id="every sign"),
    pytest.param("0198a3c4-7b1e-7cc3-98c4-dc0c0c07398f", id="a UUID"),
]
REPLACED = [
    pytest.param("", id="nothing"),
    pytest.param("a" * 7, id="7 signs"),
    pytest.param("a" * 65, id="65 signs"),
    pytest.param("has a space", id="a space"),
    pytest.param("trailing ", id="a space behind"),
    pytest.param("slash/slash", id="a slash"),
    pytest.param("quote'quote", id="a quote"),
    pytest.param('{"forged":1}', id="JSON"),
    pytest.param("caf\u00e9-caf\u00e9", id="an accent"),
    pytest.param("\x1b[31mforged", id="an escape"),
    pytest.param("first-id,second-id", id="two"),
]


def logged(lines: list[bytes]) -> Any:
    return json.loads(lines[-1])


class TestRequestId:
    @pytest.mark.parametrize("sent", KEPT)
    def test_of_the_caller_is_kept(self, api: Api, lines: list[bytes], sent: str) -> None:
        answer = api.get("/api/v1/visits", headers={"X-Request-ID": sent})

        assert answer.headers.getlist("X-Request-ID") == [sent]
        assert answer.json["metadata"]["request_id"] == sent
        assert logged(lines)["request_id"] == sent

    @pytest.mark.parametrize("sent", REPLACED)
    def test_of_another_form_is_replaced(self, api: Api, lines: list[bytes], sent: str) -> None:
        answer = api.get("/api/v1/visits", headers={"X-Request-ID": sent})

        made = answer.headers["X-Request-ID"]
        assert UUID(made).version == 7
        assert answer.json["metadata"]["request_id"] == logged(lines)["request_id"] == made

    def test_is_made_for_each_request(self, api: Api) -> None:
        made = [api.get("/health").headers["X-Request-ID"] for _ in range(5)]

        assert len(set(made)) == 5
        assert [UUID(one).version for one in made] == [7] * 5

    @pytest.mark.parametrize("accepted", ["*/*", PROBLEM])
    def test_is_in_failures(self, api: Api, accepted: str) -> None:
        answer = api.get("/nothing", headers={"X-Request-ID": "failing-request", "Accept": accepted})

        assert answer.headers["X-Request-ID"] == "failing-request"
        assert "failing-request" in answer.text

    def test_is_on_pages_and_files(self, api: Api) -> None:
        sent = {"X-Request-ID": "page-or-file", "Accept": BROWSER}

        answers = [api.get(path, headers=sent) for path in ("/docs", "/static/page.css", "/nothing")]

        assert [answer.headers["X-Request-ID"] for answer in answers] == ["page-or-file"] * 3

    def test_is_kept_with_what_the_request_did(self, api: Api) -> None:
        person = a_user()

        api.post(
            "/auth/login", {"username": person.username, "password": "wrong"}, headers={"X-Request-ID": "wrong-pw"}
        )

        events = api.as_(an_admin()).get("/api/v1/audit-events?event=authn_login_fail").result
        assert [event["request_id"] for event in events] == ["wrong-pw"]


class TestTraceparent:
    TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

    def test_is_honoured(self, api: Api, lines: list[bytes]) -> None:
        api.get("/health", headers={"traceparent": f"00-{self.TRACE}-{self.SPAN}-01"})

        assert logged(lines)["trace_id"] == self.TRACE

    @pytest.mark.parametrize(
        "sent",
        [
            pytest.param("", id="nothing"),
            pytest.param(f"00-{'0' * 32}-{SPAN}-01", id="no trace"),
            pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="no span"),
            pytest.param(f"00-{TRACE.upper()}-{SPAN}-01", id="capitals"),
            pytest.param(f"00-{TRACE[1:]}-{SPAN}-01", id="too short"),
            pytest.param(f"00-{TRACE}-{SPAN}-01-more", id="too long"),
            pytest.param(f"ff-{TRACE}-{SPAN}-01", id="the version that is none"),
            pytest.param('"}\n{"forged":1', id="junk"),
        ],
    )
    def test_of_another_form_is_ignored(self, api: Api, lines: list[bytes], sent: str) -> None:
        answer = api.get("/health", environ_overrides={"HTTP_TRACEPARENT": sent})

        assert answer.status_code == 200
        assert logged(lines)["trace_id"] is None


class TestAddress:
    @pytest.fixture
    def proxied(self, layered: Layered, world: World) -> Api:
        """The service behind proxies that it trusts."""
        return Api(layered(trusted_proxies="10.0.0.0/8,2001:db8:ffff::/48"))

    @pytest.mark.parametrize(
        ("peer", "forwarded", "address"),
        [
            pytest.param("10.0.0.1", "192.0.2.7", "192.0.2.7", id="one proxy"),
            pytest.param("10.0.0.1", "203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7", id="forged on the left"),
            pytest.param("::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7", id="mapped"),
            pytest.param("2001:db8:ffff::1", "2001:DB8:1::5", "2001:db8:1::5", id="IPv6"),
            pytest.param("192.0.2.7", "203.0.113.9", "192.0.2.7", id="a stranger"),
        ],
    )
    def test_is_what_trusted_proxies_say(
        self, proxied: Api, lines: list[bytes], peer: str, forwarded: str, address: str
    ) -> None:
        proxied.at(peer).get("/health", headers={"X-Forwarded-For": forwarded})

        assert logged(lines)["ip_address"] == address

    @pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.1", "::1"])
    def test_is_that_of_the_socket_when_nobody_is_trusted(self, api: Api, lines: list[bytes], peer: str) -> None:
        api.at(peer).get("/health", headers={"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"})

        assert logged(lines)["ip_address"] == peer

    def test_is_that_of_the_session_too(self, proxied: Api) -> None:
        person = a_user()
        client = Api(proxied.app, headers={"X-Forwarded-For": "192.0.2.7"}, address="10.0.0.1")

        sessions = client.as_(person).get("/auth/sessions").result

        assert [session["ip"] for session in sessions] == ["192.0.2.7"]

    def test_that_is_forged_is_warned_of_once(self, world: World, lines: list[bytes]) -> None:
        api = Api(world.with_settings(trusted_proxies="10.0.0.0/8"), address="192.0.2.7")

        for _ in range(3):
            api.get("/health", headers={"X-Forwarded-For": "203.0.113.9"})

        warnings = [line for line in lines if b"X-Forwarded-For" in line]
        assert len(warnings) == 1
        assert json.loads(warnings[0])["level"] == "WARNING"
        assert b"203.0.113.9" not in b"".join(lines)

    def test_of_a_trusted_proxy_is_warned_of_never(self, world: World, lines: list[bytes]) -> None:
        api = Api(world.with_settings(trusted_proxies="10.0.0.0/8"), address="10.0.0.1")

        api.get("/health", headers={"X-Forwarded-For": "192.0.2.7"})

        assert [line for line in lines if b"X-Forwarded-For" in line] == []

    @pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL"])
    def test_and_no_other_header_of_proxies_is_believed(self, proxied: Api, header: str) -> None:
        sent = {"evil": "evil.test", header: "evil.test"}

        answer = proxied.at("10.0.0.1").get("/docs", headers=sent)

        assert answer.status_code == 200
        assert "evil.test" not in answer.text
        assert "evil.test" not in str(answer.headers)


class TestAccessLine:
    COLUMNS = (
        "timestamp",
        "level",
        "logger",
        "message",
        "request_id",
        "trace_id",
        "user_id",
        "ip_address",
        "method",
        "route",
        "status",
        "execution_time_ms",
    )

    def test_is_one_json_object_with_these_fields_in_this_order(self, api: Api, lines: list[bytes]) -> None:
        api.get("/health")

        assert len(lines) == 1
        assert lines[0].endswith(b"}\n")
        assert lines[0].count(b"\n") == 1
        assert tuple(json.loads(lines[0])) == self.COLUMNS

    def test_says_what_happened(self, api: Api, lines: list[bytes]) -> None:
        person = a_user()
        client = api.as_(person)

        client.at("192.0.2.7").get("/api/v1/users/1", headers={"X-Request-ID": "request-to-log"})

        line = logged(lines)
        assert TIMESTAMP.fullmatch(line.pop("timestamp"))
        assert 0 <= line.pop("execution_time_ms") < 60_000
        assert line == {
            "level": "WARNING",
            "logger": "access",
            "message": "request",
            "request_id": "request-to-log",
            "trace_id": None,
            "user_id": person.id,
            "ip_address": "192.0.2.7",
            "method": "GET",
            "route": "/api/v1/users/<id:user_id>",
            "status": 403,
        }

    @pytest.mark.parametrize(
        ("path", "status", "level"),
        [("/health", 200, "INFO"), ("/nothing", 404, "INFO"), ("/auth/me", 401, "WARNING")],
    )
    def test_stands_out_when_somebody_was_refused(
        self, api: Api, lines: list[bytes], path: str, status: int, level: str
    ) -> None:
        api.get(path)

        assert (logged(lines)["status"], logged(lines)["level"]) == (status, level)

    def test_knows_no_route_for_what_is_nowhere(self, api: Api, lines: list[bytes]) -> None:
        api.get("/canary/in/the/path")

        assert logged(lines)["route"] is None
        assert b"canary" not in b"".join(lines)

    def test_knows_no_user_of_the_request_before(self, api: Api, lines: list[bytes]) -> None:
        api.as_(a_user()).get("/auth/me")
        signed_in = logged(lines)["user_id"]

        api.get("/health")

        assert signed_in is not None
        assert logged(lines)["user_id"] is None
