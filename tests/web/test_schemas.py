import json
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.core.paging import Page, PageRequest
from app.web.application import Routes
from app.web.caller import public
from app.web.paging import paged
from app.web.schemas import ABSENT, Line, Out, Query, Schema, Timestamp, asks, envelope, returns, takes
from tests.api import Api
from tests.web.answers import TIMESTAMP, failure
from tests.web.conftest import Layered
from tests.world import World


class Part(Schema):
    size: int


class Thing(Schema):
    name: str
    number: int = 0
    share: float = 0
    loud: bool = False
    names: list[str] = []
    parts: list[Part] = []
    note: str | None = None


class Change(Schema):
    name: str = ABSENT
    note: str | None = ABSENT


class Search(Query):
    q: Annotated[str, Field(max_length=5)] | None = None
    at_most: int = 10
    deep: bool = False


class ThingOut(Out):
    name: str
    made_at: Timestamp


class Made:
    """What a service returns: it has more than the wire shows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.made_at = datetime(2026, 1, 9, 7, 0, 0, 123_000, UTC)
        self.password_hash = "canary"


ROUTES = Routes("throwaway", __name__)


@ROUTES.post("/things")
@public
@takes(Thing)
@returns(dict[str, Any], 201, "Made.")
def take(body: Thing) -> dict[str, Any]:
    return body.model_dump()


@ROUTES.patch("/things")
@public
@takes(Change)
@returns(dict[str, Any])
def change(body: Change) -> dict[str, Any]:
    return body.given()


@ROUTES.get("/things")
@public
@asks(Search)
@returns(dict[str, Any])
def search(query: Search) -> dict[str, Any]:
    return query.model_dump()


@ROUTES.get("/made")
@public
@returns(ThingOut, message="Here it is.")
def show() -> Made:
    return Made("one")


@ROUTES.get("/made/all")
@public
@paged
@returns(list[ThingOut])
def show_all() -> Page[Made]:
    return Page([Made("one"), Made("two")], PageRequest(), has_next=False, total=2)


@pytest.fixture
def api(layered: Layered, world: World) -> Api:
    return Api(layered(ROUTES))


class TestBody:
    def test_is_given_to_the_view(self, api: Api) -> None:
        answer = api.post("/things", {"name": "a", "number": 7, "parts": [{"size": 1}]})

        assert answer.status_code == 201
        assert answer.result["number"] == 7
        assert answer.result["parts"] == [{"size": 1}]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            pytest.param("name", 1, id="a number for text"),
            pytest.param("name", None, id="null for text"),
            pytest.param("name", ["a"], id="a list for text"),
            pytest.param("name", {"$ne": None}, id="an object for text"),
            pytest.param("number", "7", id="text for a number"),
            pytest.param("number", 7.5, id="a fraction for a whole number"),
            pytest.param("number", 7.0, id="a fraction that is whole"),
            pytest.param("number", True, id="true for a number"),
            pytest.param("share", "0.5", id="text for a fraction"),
            pytest.param("loud", "true", id="text for true"),
            pytest.param("loud", 1, id="1 for true"),
            pytest.param("loud", None, id="null for true"),
            pytest.param("names", "a", id="text for a list"),
            pytest.param("names", {"0": "a"}, id="an object for a list"),
            pytest.param("parts", [[]], id="a list for an object"),
        ],
    )
    def test_has_strict_types(self, api: Api, field: str, value: Any) -> None:
        answer = api.post("/things", {"name": "a", field: value})

        named = list(failure(answer, 422, "VALIDATION_ERROR"))
        assert [name.split(".")[0] for name in named] == [field]

    def test_may_hold_a_whole_number_for_a_fraction(self, api: Api) -> None:
        assert api.post("/things", {"name": "a", "share": 1}).result["share"] == 1.0

    @pytest.mark.parametrize("extra", ["id", "role", "is_admin", "Name", "name ", "__proto__", "model_config", ""])
    def test_has_no_field_that_is_not_declared(self, api: Api, extra: str) -> None:
        answer = api.post("/things", {"name": "a", extra: 1})

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == [extra or "body"]

    def test_has_none_inside_either(self, api: Api) -> None:
        answer = api.post("/things", {"name": "a", "parts": [{"size": 1}, {"size": 1, "colour": 2}]})

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == ["parts.1.colour"]

    def test_is_told_everything_that_is_wrong_at_once(self, api: Api) -> None:
        answer = api.post("/things", {"number": "x", "loud": 3, "more": 1})

        assert set(failure(answer, 422, "VALIDATION_ERROR")) == {"name", "number", "loud", "more"}

    @pytest.mark.parametrize("name", ["a" * 65, "a\nb", "\x1b[2J", "\u202e", "a\u2028b"], ids=ascii)
    def test_does_not_repeat_an_odd_name(self, api: Api, name: str) -> None:
        answer = api.post("/things", {"name": "a", name: 1})

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == ["body"]

    @pytest.mark.parametrize(
        ("body", "given"),
        [
            pytest.param({}, {}, id="nothing"),
            pytest.param({"name": "a"}, {"name": "a"}, id="one"),
            pytest.param({"note": None}, {"note": None}, id="null where that means something"),
        ],
    )
    def test_tells_what_was_sent_from_what_was_not(self, api: Api, body: dict[str, Any], given: dict[str, Any]) -> None:
        assert api.patch("/things", body).result == given

    def test_cannot_be_null_where_it_may_only_be_absent(self, api: Api) -> None:
        answer = api.patch("/things", {"name": None})

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == ["name"]


class TestQuery:
    def test_is_given_to_the_view(self, api: Api) -> None:
        answer = api.get("/things?q=a%20b&at_most=7&deep=true")

        assert answer.result == {"q": "a b", "at_most": 7, "deep": True}

    def test_has_defaults(self, api: Api) -> None:
        assert api.get("/things").result == {"q": None, "at_most": 10, "deep": False}

    @pytest.mark.parametrize(
        ("sent", "named"),
        [
            pytest.param("colour=red", "colour", id="unknown"),
            pytest.param("Q=a", "Q", id="known in another case"),
            pytest.param("q[]=a", "q[]", id="brackets"),
            pytest.param("q=a&q=b", "q", id="repeated"),
            pytest.param("q=a&q=a", "q", id="repeated, the same"),
            pytest.param("colour=1&colour=2", "colour", id="unknown and repeated"),
            pytest.param("q=%00", "q", id="U+0000"),
            pytest.param("%00=1", "body", id="U+0000 as a name"),
            pytest.param("=1", "body", id="no name"),
            pytest.param("q=abcdef", "q", id="too long"),
            pytest.param("at_most=x", "at_most", id="no number"),
            pytest.param("at_most=", "at_most", id="nothing for a number"),
            pytest.param("at_most=1.5", "at_most", id="a fraction"),
            pytest.param("at_most=1e2", "at_most", id="an exponent"),
            pytest.param("at_most=" + "9" * 5000, "at_most", id="5000 digits"),
            pytest.param("deep=perhaps", "deep", id="neither yes nor no"),
            pytest.param("%0a%1b=1", "body", id="control characters as a name"),
            pytest.param("n" * 65 + "=1", "body", id="a long name"),
        ],
    )
    def test_is_refused(self, api: Api, sent: str, named: str) -> None:
        answer = api.get(f"/things?{sent}")

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == [named]

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            pytest.param("q=%zz", "%zz", id="no percent-encoding"),
            pytest.param("q=%", "%", id="half a percent-encoding"),
            pytest.param("q=%ff", "%FF", id="no UTF-8"),
            pytest.param("q=e%CC%81", "\u00e9", id="decomposed"),
            pytest.param("q=a+b", "a b", id="a plus"),
            pytest.param("q=a=b", "a=b", id="an equals sign"),
            pytest.param("q=a;b", "a;b", id="a semicolon"),
            pytest.param("&&q=a&", "a", id="empty pairs"),
        ],
    )
    def test_is_read_leniently_where_only_its_encoding_is_odd(self, api: Api, sent: str, read: str) -> None:
        assert api.get(f"/things?{sent}").result["q"] == read

    @pytest.mark.parametrize("sent", ["q=\xff\xfe", "\xed\xa0\x80=1", "\x80"], ids=ascii)
    def test_of_bytes_that_are_no_text_is_malformed(self, api: Api, sent: str) -> None:
        answer = api.get("/things", environ_overrides={"QUERY_STRING": sent})

        assert failure(answer, 400, "MALFORMED_REQUEST") == {}

    def test_of_such_bytes_is_ignored_where_there_is_none(self, api: Api) -> None:
        odd = {"QUERY_STRING": "\xff"}

        answer = api.post("/things", {"name": "a"}, headers={"Idempotency-Key": "key"}, environ_overrides=odd)

        assert answer.status_code == 201


class TestAnswer:
    def test_is_an_envelope(self, api: Api) -> None:
        body = api.get("/made", headers={"X-Request-ID": "request-of-a-thing"}).json

        assert list(body) == ["status", "data", "message", "metadata"]
        assert (body["status"], body["message"]) == ("success", "Here it is.")
        assert body["metadata"]["request_id"] == "request-of-a-thing"
        assert TIMESTAMP.fullmatch(body["metadata"]["timestamp"])
        assert set(body["metadata"]) == {"timestamp", "request_id"}

    def test_shows_what_is_declared_and_nothing_else(self, api: Api) -> None:
        answer = api.get("/made")

        assert answer.result == {"name": "one", "made_at": "2026-01-09T07:00:00.123Z"}
        assert "canary" not in answer.text

    def test_of_a_list_says_where_it_stands(self, api: Api) -> None:
        body = api.get("/made/all").json

        assert list(body) == ["status", "data", "message", "pagination", "metadata"]
        assert [item["name"] for item in body["data"]] == ["one", "two"]
        assert body["pagination"]["total_items"] == 2


class TestEnvelope:
    def test_wraps_bytes_as_they_are(self, api: Api) -> None:
        wrapped = envelope(b'{"a":1.0}', 'Say "yes".', {"page": 1})

        assert b'"data":{"a":1.0},' in wrapped
        assert b'"pagination":{"page":1},' in wrapped
        assert json.loads(wrapped)["message"] == 'Say "yes".'


class TestLine:
    @pytest.mark.parametrize("text", ["", "Zo\u00eb O'Neil-Smith", "\u6f22\u5b57", "x" * 100])
    def test_is_one_line_of_text(self, text: str) -> None:
        assert TypeAdapter(Line).validate_python(text) == text

    @pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x1bb", "a\x7fb", "a\x85b", "\n", "x" * 101], ids=ascii)
    def test_has_no_control_characters_and_100_at_most(self, text: str) -> None:
        with pytest.raises(ValidationError):
            TypeAdapter(Line).validate_python(text)
