import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.infra import logs
from tests.api import Api, a_user
from tests.world import World

CANARY = "canary-in-the-mine-7"
SECRET = "Vq7-wombat-93-Zx"


class TestNothingOfTheSubmission:
    def test_is_in_the_log_of_a_registration(self, api: Api, lines: list[bytes]) -> None:
        body = {"username": CANARY, "email": f"{CANARY}@people.test", "password": SECRET, "first_name": CANARY}

        answers = [api.post("/auth/register", body), api.post("/auth/register", body)]

        assert [answer.status_code for answer in answers] == [201, 409]
        assert CANARY.encode() not in b"".join(lines)
        assert SECRET.encode() not in b"".join(lines)

    def test_is_in_the_log_of_a_sign_in(self, api: Api, lines: list[bytes]) -> None:
        person = a_user(username=CANARY, password=f"Pw-{CANARY}-Xq")
        wrong = {"username": person.username, "password": f"wrong-{CANARY}"}

        answers = [api.sign_in(person), api.post("/auth/login", wrong)]

        assert [answer.status_code for answer in answers] == [200, 401]
        assert lines
        assert CANARY.encode() not in b"".join(lines)

    def test_is_in_the_log_of_tokens_and_cookies(self, api: Api, lines: list[bytes]) -> None:
        person = a_user()
        api.sign_in(person)
        tokens = [str(person.access_token), str(person.refresh_token)]

        api.as_(person).get("/auth/me", headers={"Cookie": f"session={CANARY}"})
        api.post("/auth/refresh", {"refresh_token": person.refresh_token})
        api.post("/auth/refresh", headers={"Authorization": f"Bearer {CANARY}"})

        text = b"".join(lines).decode()
        assert [secret for secret in (*tokens, CANARY) if secret in text] == []

    @pytest.mark.parametrize(
        "path", [f"/health?token={CANARY}", f"/api/v1/visits?{CANARY}=1", f"/nothing/{CANARY}", f"/setup?code={CANARY}"]
    )
    def test_is_in_the_log_of_addresses(self, api: Api, lines: list[bytes], path: str) -> None:
        api.get(path, headers={"Referer": f"http://x.test/{CANARY}", "User-Agent": CANARY})

        assert lines
        assert CANARY.encode() not in b"".join(lines)

    def test_is_in_the_log_of_what_is_refused(self, api: Api, lines: list[bytes]) -> None:
        for data in (f'{{"{CANARY}":', f'{{"username":"{CANARY}","x":"{CANARY}"}}', f'"{CANARY}\\u0000"'):
            api.post("/auth/login", data=data.encode())

        assert len(lines) == 3
        assert CANARY.encode() not in b"".join(lines)


class TestForging:
    """Nothing that is logged can end a line, begin another, or act on a terminal."""

    @pytest.mark.parametrize(
        "sign",
        [
            "\n",
            "\r\n",
            "\x1b[2J",
            "\x00",
            "\x07",
            "\x7f",
            "\x85",
            "\x9b31m",
            "\u2028",
            "\u2029",
            "\u202e",
            '"}\n{"x":"',
        ],
        ids=ascii,
    )
    def test_is_escaped(self, world: World, lines: list[bytes], sign: str) -> None:
        logging.getLogger("test").warning("before%safter", sign, extra={"sent": sign})

        assert len(lines) == 1
        assert all(32 <= byte < 127 for byte in lines[0][:-1])
        told = json.loads(lines[0])
        assert told["message"] == f"before{sign}after"
        assert told["extra"] == {"sent": sign}

    def test_by_the_method_is_escaped(self, api: Api, lines: list[bytes]) -> None:
        api.get("/health", environ_overrides={"REQUEST_METHOD": 'GET"}\n{"forged":\x9b'})

        assert len(lines) == 1
        assert lines[0].count(b"\n") == 1
        assert lines[0].isascii()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
    @given(message=st.text(st.characters(exclude_categories=[])), extra=st.recursive(st.text(), st.lists))
    def test_is_never_possible(self, lines: list[bytes], message: str, extra: Any) -> None:
        lines.clear()
        record = logging.makeLogRecord({"levelname": "WARNING", "name": "test", "msg": message, "sent": extra})

        logs.JsonHandler().handle(record)

        assert len(lines) == 1
        assert json.loads(lines[0])["message"] == message
        assert not any(byte < 32 or byte == 127 for byte in lines[0][:-1])

    @pytest.mark.parametrize(
        "extra",
        [
            pytest.param({"number": 2**70}, id="a number beyond 64 bits"),
            pytest.param({"map": {1: "one"}}, id="keys that are numbers"),
            pytest.param({"object": object()}, id="an object"),
            pytest.param({"bytes": b"\xff"}, id="bytes"),
            pytest.param({"fraction": float("nan")}, id="no number"),
        ],
    )
    def test_is_no_reason_to_lose_a_line(self, world: World, lines: list[bytes], extra: dict[str, Any]) -> None:
        logging.getLogger("test").warning("odd", extra=extra)

        assert [json.loads(line)["message"] for line in lines] == ["odd"]

    def test_fails_no_request_when_the_line_cannot_be_written(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_line: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("app.infra.logs.write", full)

        assert api.get("/health").status_code == 200
