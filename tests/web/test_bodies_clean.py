import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from app.core.errors import Invalid, Malformed
from app.web.bodies import MAX_DEPTH, clean

_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


class TestSyntax:
    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b"{", id="an open object"),
            pytest.param(b"{}}", id="one bracket too many"),
            pytest.param(b"{} {}", id="two values"),
            pytest.param(b'{"a":1,}', id="a comma at the end"),
            pytest.param(b"{'a':1}", id="single quotes"),
            pytest.param(b"{a:1}", id="a bare name"),
            pytest.param(b'{"a":01}', id="a zero in front"),
            pytest.param(b'{"a":+1}', id="a plus in front"),
            pytest.param(b'{"a":.5}', id="a bare fraction"),
            pytest.param(b'{"a":0x1f}', id="hexadecimal"),
            pytest.param(b'{"a":1_000}', id="an underscore"),
            pytest.param(b'{"a":undefined}', id="undefined"),
            pytest.param(b'{"a":True}', id="a Python constant"),
            pytest.param(b'{"a":"\t"}', id="a raw tab in a string"),
            pytest.param(b'{"a":"\x00"}', id="a raw U+0000 in a string"),
            pytest.param(b'{"a":"\\x41"}', id="an unknown escape"),
            pytest.param(b'{"a":"\\u12"}', id="half an escape"),
            pytest.param(b'{"a":1}// no', id="a comment"),
            pytest.param(b"   ", id="spaces"),
            pytest.param(b"\x00", id="a zero byte"),
            pytest.param("{}\u00a0".encode(), id="a space that JSON does not know"),
            pytest.param(b")]}',\n{}", id="a guard"),
        ],
    )
    def test_is_that_of_json(self, raw: bytes) -> None:
        with pytest.raises(Malformed):
            clean(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b'{"a":"\xff"}', id="no UTF-8"),
            pytest.param('{"a":"\u00e9"}'.encode("latin-1"), id="Latin-1"),
            pytest.param(b'{"a":"\xc0\xaf"}', id="an overlong sign"),
            pytest.param(b'{"a":"\xed\xa0\x80"}', id="an encoded surrogate"),
            pytest.param(b'{"a":"\xf5\x80\x80\x80"}', id="beyond Unicode"),
            pytest.param(b'{"a":"\xe2\x82"}', id="half a sign"),
            pytest.param('{"a":1}'.encode("utf-16"), id="UTF-16"),
            pytest.param('{"a":1}'.encode("utf-32-be"), id="UTF-32"),
            pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        ],
    )
    def test_is_written_in_utf_8(self, raw: bytes) -> None:
        with pytest.raises(Malformed):
            clean(raw)

    @pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
    @pytest.mark.parametrize("frame", ["%s", '{"a":%s}', "[1,[%s]]"])
    def test_knows_no_such_numbers(self, constant: str, frame: str) -> None:
        with pytest.raises(Malformed, match="NaN and Infinity are not JSON"):
            clean((frame % constant).encode())

    @pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
    def test_knows_them_as_text(self, constant: str) -> None:
        raw = f'{{"a":"{constant}"}}'.encode()

        assert clean(raw) == raw

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b'{"a":1,"a":2}', id="twice"),
            pytest.param(b'{"a":1,"a":1}', id="twice the same"),
            pytest.param(b'{"a":1,"\\u0061":2}', id="twice, once escaped"),
            pytest.param(b'[{"b":{"a":1,"b":2,"a":3}}]', id="deep inside"),
        ],
    )
    def test_has_each_key_once(self, raw: bytes) -> None:
        with pytest.raises(Malformed, match="same key twice"):
            clean(raw)

    @pytest.mark.parametrize("raw", [b'{"a":{"a":{"a":1}}}', b'[{"a":1},{"a":2}]', b'{"a":1,"A":2}'])
    def test_may_have_a_key_again_elsewhere(self, raw: bytes) -> None:
        assert clean(raw) == raw

    def test_has_no_number_that_takes_long_to_read(self) -> None:
        with pytest.raises(Malformed):
            clean(b'{"a":' + b"9" * 10_000 + b"}")


class TestDepth:
    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
    def test_is_at_most_32(self, opening: str, closing: str) -> None:
        deepest = nested(MAX_DEPTH, opening, closing)

        assert MAX_DEPTH == 32
        assert clean(deepest) == deepest
        with pytest.raises(Malformed, match="nested too deeply"):
            clean(nested(MAX_DEPTH + 1, opening, closing))

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(nested(100_000, "[", "]"), id="lists"),
            pytest.param(nested(100_000, '{"a":', "}"), id="objects"),
            pytest.param(b"[" * 1_000_000, id="lists without end"),
            pytest.param(b'[{"":' * 100_000, id="both without end"),
        ],
    )
    def test_of_100_000_is_refused_as_any_other(self, raw: bytes) -> None:
        with pytest.raises(Malformed, match="nested too deeply"):
            clean(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b"[" + b"[1]," * 100 + b"[2]]", id="side by side"),
            pytest.param(b'["' + b"[" * 100 + b'"]', id="in a string"),
            pytest.param(b'["' + b'\\"[' * 100 + b'"]', id="behind escaped quotes"),
            pytest.param(b'["\\\\",' + b'"[",' * 100 + b'"]"]', id="behind an escaped backslash"),
        ],
    )
    def test_is_not_the_number_of_brackets(self, raw: bytes) -> None:
        assert clean(raw) == raw

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b'"\\\\",' + b"[" * 40, id="an escaped backslash before the quote"),
            pytest.param(b'["a\\\\"' + b"[" * 40, id="a string that ends in one"),
        ],
    )
    def test_cannot_be_hidden_in_what_only_looks_like_a_string(self, raw: bytes) -> None:
        with pytest.raises(Malformed, match="nested too deeply"):
            clean(raw)

    @pytest.mark.parametrize("ending", [b"", b"\\"], ids=["a quote", "a backslash"])
    def test_takes_time_in_proportion_to_the_length(self, ending: bytes) -> None:
        hostile = b"[" * 20 + b"[]" * 20 + b'"' + b'\\"' * 20_000 + ending
        started = time.process_time()

        with pytest.raises(Malformed):
            clean(hostile)

        assert time.process_time() - started < 2  # a millisecond; tried again from each quote, many seconds


class TestClean:
    @settings(max_examples=50)
    @given(value=_values)
    def test_changes_nothing_the_second_time(self, value: Any) -> None:
        once = clean(json.dumps(value, ensure_ascii=False).encode())

        assert clean(once) == once
        assert type(json.loads(once)) is type(value)

    @given(names=st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=9)))
    def test_leaves_ascii_as_it_is(self, names: list[str]) -> None:
        raw = json.dumps(names).encode()

        assert clean(raw) == raw

    @given(raw=st.binary(max_size=200))
    def test_raises_nothing_but_failures(self, raw: bytes) -> None:
        assert outcome(raw) in {"json", "refused"}

    @given(raw=st.text('[]{}:,u0d8an1e+-. \u00e9"\\', max_size=60))
    def test_raises_nothing_but_failures_for_what_almost_is_json(self, raw: str) -> None:
        assert outcome(raw.encode()) in {"json", "refused"}

    def test_normalises_names_and_values_at_any_depth(self) -> None:
        raw = '{"e\u0301":["e\u0301",{"a":"e\u0301"}]}'.encode()

        assert json.loads(clean(raw)) == {"\u00e9": ["\u00e9", {"a": "\u00e9"}]}

    def test_keeps_numbers_and_constants_when_it_rewrites(self) -> None:
        raw = '{"e\u0301":[1,-2.5,1e3,true,false,null,9007199254740993]}'.encode()

        assert json.loads(clean(raw)) == {"\u00e9": [1, -2.5, 1000.0, True, False, None, 9007199254740993]}


def outcome(raw: bytes) -> str:
    """Tell whether a body is refused, or accepted so that both parsers which read it agree."""
    try:
        cleaned = clean(raw)
    except (Malformed, Invalid):
        return "refused"
    return "json" if from_json(cleaned) == json.loads(cleaned) else "read in two ways"
