import json
from io import BytesIO
from typing import Any

import pytest

from tests.api import Answer, Api, a_user, an_admin
from tests.web.answers import failure

SMALL, LARGE = 16 * 1024, 1024 * 1024
LOGIN = "/auth/login"
USERS = "/api/v1/users"


def body_of(length: int) -> bytes:
    """Return a JSON body of exactly so many bytes, with fields that nobody accepts."""
    frame = b'{"x":""}'
    return frame[:6] + b"a" * (length - len(frame)) + frame[6:]


def streamed(api: Api, path: str, stream: BytesIO, **more: str) -> Answer:
    """Send a body without saying how long it is."""
    return api.post(
        path,
        input_stream=stream,
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, **more},
    )


class TestSize:
    @pytest.mark.parametrize("path", [LOGIN, "/auth/register", "/auth/refresh", "/auth/logout"])
    def test_of_auth_is_at_most_16_kib(self, api: Api, path: str) -> None:
        largest, larger = (api.post(path, data=body_of(length)) for length in (SMALL, SMALL + 1))

        assert "x" in failure(largest, 422, "VALIDATION_ERROR")
        assert failure(larger, 413, "PAYLOAD_TOO_LARGE") == {}

    @pytest.mark.parametrize("path", [LOGIN, "/auth/refresh"])
    def test_of_auth_is_at_most_16_kib_also_when_streamed(self, api: Api, path: str) -> None:
        largest, larger = (streamed(api, path, BytesIO(body_of(length))) for length in (SMALL, SMALL + 1))

        assert "x" in failure(largest, 422, "VALIDATION_ERROR")
        assert failure(larger, 413, "PAYLOAD_TOO_LARGE") == {}

    @pytest.mark.parametrize(("method", "path"), [("PATCH", "/auth/me"), ("POST", "/auth/password/change")])
    def test_of_auth_is_at_most_16_kib_for_whoever_is_signed_in(self, api: Api, method: str, path: str) -> None:
        answer = api.as_(a_user()).send(method, path, data=body_of(SMALL + 1))

        assert failure(answer, 413, "PAYLOAD_TOO_LARGE") == {}

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", USERS), ("PUT", f"{USERS}/1"), ("PATCH", f"{USERS}/1"), ("POST", "/api/v1/roles")],
    )
    def test_of_others_is_at_most_1_mib(self, api: Api, method: str, path: str) -> None:
        admin = api.as_(an_admin())

        largest, larger = (admin.send(method, path, data=body_of(length)) for length in (LARGE, LARGE + 1))

        assert "x" in failure(largest, 422, "VALIDATION_ERROR")
        assert failure(larger, 413, "PAYLOAD_TOO_LARGE") == {}

    def test_of_others_is_at_most_1_mib_also_when_streamed(self, api: Api) -> None:
        larger = streamed(api, "/api/v1/visits", BytesIO(body_of(LARGE + 1)))

        assert failure(larger, 413, "PAYLOAD_TOO_LARGE") == {}

    def test_of_a_stream_that_is_too_large_is_read_so_far_that_the_answer_is_heard(self, api: Api) -> None:
        stream = BytesIO(b" " * 3 * LARGE)

        answer = streamed(api, LOGIN, stream, HTTP_TRANSFER_ENCODING="chunked")

        assert failure(answer, 413, "PAYLOAD_TOO_LARGE") == {}
        assert SMALL < stream.tell() < 2 * LARGE

    def test_that_nobody_wanted_is_read_before_the_answer(self, api: Api) -> None:
        stream = BytesIO(body_of(LARGE))

        answer = api.post(LOGIN, environ_overrides={"CONTENT_LENGTH": str(LARGE), "wsgi.input": stream})

        assert failure(answer, 413, "PAYLOAD_TOO_LARGE") == {}
        assert stream.tell() == LARGE

    @pytest.mark.parametrize("said", [{"CONTENT_LENGTH": str(LARGE + 1)}, {"HTTP_EXPECT": "100-continue"}], ids=str)
    def test_that_is_too_large_for_anything_or_not_sent_yet_is_not_read_at_all(
        self, api: Api, said: dict[str, str]
    ) -> None:
        stream = BytesIO(body_of(LARGE + 1))

        answer = api.post(LOGIN, environ_overrides={"CONTENT_LENGTH": str(LARGE), **said, "wsgi.input": stream})

        assert failure(answer, 413, "PAYLOAD_TOO_LARGE") == {}
        assert stream.tell() == 0

    @pytest.mark.parametrize("said", ["abc", "-1", "1e3", "99999999999999999999", "\u0661"])
    def test_that_is_nonsense_is_no_fault_of_ours(self, api: Api, said: str) -> None:
        answer = api.post(LOGIN, data=b"{}", environ_overrides={"CONTENT_LENGTH": said})

        assert answer.status_code in {400, 413, 422}
        assert answer.json["status"] == "error"

    def test_that_was_promised_but_not_sent_is_malformed(self, api: Api) -> None:
        answer = api.post(LOGIN, data=b'{"username":', environ_overrides={"CONTENT_LENGTH": "5000"})

        assert answer.status_code == 400
        assert answer.json["status"] == "error"


class TestType:
    @pytest.mark.parametrize(
        "said",
        [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            'application/json; charset="UTF-8"',
            "application/json;version=1",
        ],
    )
    def test_is_json(self, api: Api, said: str) -> None:
        answer = api.post(LOGIN, data=b"{}", headers={"Content-Type": said})

        assert "password" in failure(answer, 422, "VALIDATION_ERROR")

    @pytest.mark.parametrize(
        "said",
        [
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/problem+json",
            "application/vnd.api+json",
            "application/jsonp",
            "application/json, text/plain",
            "json",
            "*/*",
            "application/json; charset=latin-1",
            "application/json; charset=utf-16",
            "application/json; charset=nonsense",
        ],
    )
    def test_is_nothing_else(self, api: Api, said: str) -> None:
        answer = api.post(LOGIN, data=b"{}", headers={"Content-Type": said})

        assert failure(answer, 415, "UNSUPPORTED_MEDIA_TYPE") == {}

    def test_must_be_said(self, api: Api) -> None:
        answer = api.post(LOGIN, environ_overrides={"CONTENT_LENGTH": "2", "wsgi.input": BytesIO(b"{}")})

        assert failure(answer, 415, "UNSUPPORTED_MEDIA_TYPE") == {}

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "nonsense"])
    def test_is_not_encoded(self, api: Api, encoding: str) -> None:
        answer = api.post(LOGIN, data=b"{}", headers={"Content-Encoding": encoding})

        assert failure(answer, 415, "UNSUPPORTED_MEDIA_TYPE") == {}

    def test_may_be_said_to_be_not_encoded(self, api: Api) -> None:
        answer = api.post(LOGIN, data=b"{}", headers={"Content-Encoding": "identity"})

        assert answer.status_code == 422


class TestAbsence:
    @pytest.mark.parametrize("said", ["application/json", "text/plain"])
    def test_is_malformed_where_a_body_is_needed(self, api: Api, said: str) -> None:
        answer = api.post(LOGIN, data=b"", headers={"Content-Type": said})

        assert failure(answer, 400, "MALFORMED_REQUEST") == {}
        assert answer.json["error"]["message"] == "This needs a JSON body."

    def test_is_fine_where_the_body_is_optional(self, api: Api) -> None:
        assert api.post("/api/v1/visits").status_code == 201

    def test_is_fine_where_there_is_none(self, api: Api) -> None:
        person = a_user()

        answer = api.as_(an_admin()).post(f"{USERS}/{person.id}/sessions:revoke", data=b"not looked at")

        assert answer.status_code == 204


class TestDepth:
    def test_of_32_is_read(self, api: Api) -> None:
        answer = api.post(LOGIN, data=b'{"x":' + b"[" * 31 + b"]" * 31 + b"}")

        assert "x" in failure(answer, 422, "VALIDATION_ERROR")

    @pytest.mark.parametrize("depth", [33, 5_000])
    def test_of_more_is_malformed(self, api: Api, depth: int) -> None:
        answer = api.post(LOGIN, data=b"[" * depth + b"]" * depth)

        assert failure(answer, 400, "MALFORMED_REQUEST") == {}

    def test_of_100_000_is_malformed(self, api: Api) -> None:
        answers = [api.post("/api/v1/visits", data=opening * 100_000) for opening in (b"[", b'{"a":')]

        assert [failure(answer, 400, "MALFORMED_REQUEST") for answer in answers] == [{}, {}]


class TestUnicode:
    @pytest.mark.parametrize(
        "written",
        [
            pytest.param('"Zoe\u0308"', id="decomposed"),
            pytest.param('"Zo\u00eb"', id="composed"),
            pytest.param('"Zoe\\u0308"', id="escaped"),
            pytest.param('"\\u005a\\u006fe\\u0308"', id="all escaped"),
        ],
    )
    def test_is_kept_in_its_normal_form(self, api: Api, written: str) -> None:
        person = api.as_(a_user())

        answer = person.patch("/auth/me", data=f'{{"first_name":{written}}}'.encode())

        assert answer.result["first_name"] == "Zo\u00eb"
        assert person.get("/auth/me").result["first_name"] == "Zo\u00eb"

    @pytest.mark.parametrize("name", ["\U0001f600", "\u0645\u0631\u062d\u0628\u0627", "\u6f22\u5b57", "a\u200db"])
    def test_beyond_our_alphabet_is_kept(self, api: Api, name: str) -> None:
        answer = api.as_(a_user()).patch("/auth/me", {"first_name": name})

        assert answer.result["first_name"] == name

    def test_written_as_a_pair_of_surrogates_is_one_sign(self, api: Api) -> None:
        answer = api.as_(a_user()).patch("/auth/me", data=b'{"first_name":"\\ud83d\\ude00"}')

        assert answer.result["first_name"] == "\U0001f600"

    @pytest.mark.parametrize(
        ("data", "named"),
        [
            pytest.param(b'{"username":"a\\u0000b","password":"x"}', "username", id="U+0000"),
            pytest.param(b'{"username":"a","password":"\\u0000"}', "password", id="U+0000 in a password"),
            pytest.param(b'{"username":"a\\ud800","password":"x"}', "username", id="a high surrogate"),
            pytest.param(b'{"username":"\\udc00a","password":"x"}', "username", id="a low surrogate"),
            pytest.param(b'{"username":"\\ude00\\ud83d","password":"x"}', "username", id="a pair the wrong way"),
            pytest.param(b'{"a":{"b":["c","\\u0000"]}}', "a.b.1", id="deep inside"),
            pytest.param(b'{"a\\u0000":1}', "body", id="in a name"),
            pytest.param(b'{"\\ud800":"\\u0000"}', "body", id="in a name, and inside"),
            pytest.param(b'"\\u0000"', "body", id="all there is"),
        ],
    )
    def test_that_no_database_keeps_is_refused(self, api: Api, data: bytes, named: str) -> None:
        answer = api.post(LOGIN, data=data)

        details = failure(answer, 422, "VALIDATION_ERROR")
        assert details == {named: ["U+0000 and lone surrogates are not allowed."]}


class TestRefused:
    """What is malformed is so whatever it would mean, and says nothing of what was sent."""

    @pytest.mark.parametrize(
        "body",
        [[], "text", 1, 1.5, True, None, [{}]],
        ids=json.dumps,
    )
    def test_is_json_that_is_no_object_but_as_invalid(self, api: Api, body: Any) -> None:
        answer = api.post(LOGIN, data=json.dumps(body).encode())

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == ["body"]

    @pytest.mark.parametrize("data", [b"{", b"canary", b'{"canary":}', b'{"username":"canary'])
    def test_is_not_repeated(self, api: Api, data: bytes) -> None:
        answer = api.post(LOGIN, data=data)

        assert failure(answer, 400, "MALFORMED_REQUEST") == {}
        assert "canary" not in answer.text
