"""Reads JSON bodies strictly (RFC 8259, I-JSON): what parsers disagree on is refused, not guessed at."""

import json
import re
from contextlib import suppress
from typing import Any, NoReturn
from unicodedata import normalize

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app.core.errors import Invalid, Malformed

MAX_DEPTH = 32
_NAME_LENGTH = 64
_DISCARDED, _PART = 1024 * 1024, 64 * 1024

# An unterminated string reaches to the end: trying again from each quote in it would take quadratic time.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)
_BRACKETS = re.compile(rb"[\[\]{}]")


def read(limit: int) -> bytes:
    """Return the body as JSON that any parser reads alike, in NFC; empty when there is none.

    Raises 413 beyond ``limit`` bytes, 415 for another type or encoding, Malformed for bad bytes, syntax, depth,
    duplicate keys or NaN, and Invalid for strings with U+0000 or lone surrogates.
    """
    environ = request.environ
    raw = _received(environ, limit)
    if not raw:
        return raw
    if environ.get("CONTENT_TYPE") != "application/json" and not _is_json_all_the_same():
        raise UnsupportedMediaType
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise UnsupportedMediaType
    return clean(raw)


def discard() -> None:
    """Read what nobody read of the body.

    A server that closes the connection before takes the answer back with it (RFC 9112, 9.6), and then a proxy has none.
    """
    environ = request.environ
    length = environ.get("CONTENT_LENGTH") or ("1" if "HTTP_TRANSFER_ENCODING" in environ else "0")
    if length == "0" or "HTTP_EXPECT" in environ or not _LENGTH.fullmatch(length) or int(length) > _DISCARDED:
        return
    left = _DISCARDED
    with suppress(OSError):  # whoever sends it is gone
        while left > 0 and (part := environ["wsgi.input"].read(_PART)):
            left -= len(part)


def _received(environ: dict[str, Any], limit: int) -> bytes:
    """Return the bytes of the body. One whose length is known is read as PEP 3333 says: Werkzeug takes 15 µs more."""
    length = environ.get("CONTENT_LENGTH", "")
    if _LENGTH.fullmatch(length) and "HTTP_TRANSFER_ENCODING" not in environ:
        if int(length) > limit:
            raise RequestEntityTooLarge
        raw: bytes = environ["wsgi.input"].read(int(length))
        if len(raw) < int(length):
            raise Malformed("The body ended early.")
        return raw
    request.max_content_length = limit + 1  # a body that comes without its length is cut there, and not refused
    raw = request.get_data(cache=False)
    if len(raw) > limit:
        raise RequestEntityTooLarge
    return raw


def _is_json_all_the_same() -> bool:
    """Tell whether the media type is JSON in UTF-8, spelled in another way."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    return request.mimetype == "application/json" and charset == "utf-8"


def clean(raw: bytes) -> bytes:
    """Check JSON bytes and return them, rewritten only if a string had to be normalised."""
    try:
        _check_depth(raw)
        value = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    if raw.isascii() and b"\\u" not in raw:
        return raw
    normalised = _normalised(value, "")
    return raw if normalised == value else json.dumps(normalised, ensure_ascii=False).encode()


def _check_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", raw)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Malformed("The body is nested too deeply.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("The body has the same key twice.")
    return found


def _refuse(_constant: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON.")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def _normalised(value: Any, path: str) -> Any:  # noqa: ANN401 -- any JSON value
    if isinstance(value, str):
        return text(value, path)
    if isinstance(value, list):
        return [_normalised(item, f"{path}.{place}" if path else str(place)) for place, item in enumerate(value)]
    if isinstance(value, dict):
        return {text(key, path): _normalised(item, f"{path}.{key}" if path else key) for key, item in value.items()}
    return value


def text(value: str, field: str) -> str:
    """Return a string in NFC; raise Invalid if a database or an encoder would choke on it."""
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        name = field if field.isprintable() and len(field) <= _NAME_LENGTH else "body"
        raise Invalid(details={name or "body": ["U+0000 and lone surrogates are not allowed."]})
    return normalize("NFC", value)
