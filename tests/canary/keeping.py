"""Remembers what passes between the tests and the application."""

import json
import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from werkzeug.datastructures import Headers
from werkzeug.test import Client

from tests.canary.spelling import found_in, is_short_code, is_unmistakable

_NAME = r"(?:[a-z_]*(?:password|token|secret|recovery_codes?|verifier)|code|codes|otp|key|api_key|otpauth_ur[il])"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_TEXT = rb'"(?:[^"\\]|\\.)*"'
_FIELD = re.compile(rb'"([A-Za-z_]{3,40})"\s*:\s*(%b|\[\s*(?:%b\s*,?\s*)*\])' % (_TEXT, _TEXT))
_FORM = "application/x-www-form-urlencoded"
_FAILURE = 400
_LONGEST_READ = 50_000  # the description of the API is longer, and gives no secret away


class Keeper:
    """The secrets of one test, and the answers in which none of them may stand."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.secrets: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.public: set[str] = set()
        self.refusals: list[bytes] = []
        self.pages: list[bytes] = []
        self.answers: list[bytes] = []

    def keep(self, value: object, kind: str) -> None:
        """Remember a secret of a kind, if it could be told from other text."""
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and is_unmistakable(one):
                self.secrets.setdefault(one, kind)
            elif isinstance(one, str) and is_short_code(one):
                self.codes.setdefault(one, kind)

    def hear(self, environ: dict[str, Any]) -> None:
        """Remember the secrets of a request: in its body, its query, its credentials."""
        self._read(_body(environ), environ.get("CONTENT_TYPE", ""))
        self._read_pairs(environ.get("QUERY_STRING", ""))
        for name in ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY"):
            self.keep(environ.get(name, "").rpartition(" ")[2], "credential")
        self._read_cookies(environ.get("HTTP_COOKIE", ""))

    def see(self, status: int, headers: Headers, body: bytes) -> None:
        """Remember an answer: the secrets that it gives away, or, of a failure, all that it says."""
        for cookie in headers.getlist("Set-Cookie"):
            self._read_cookies(cookie.partition(";")[0])
        said = "\n".join(value for name, value in headers if name != "Set-Cookie").encode("utf-8", "replace")
        kind = headers.get("Content-Type", "")
        failed = self.pages if kind.startswith("text/html") else self.refusals
        (failed if status >= _FAILURE else self.answers).append(body + b"\n" + said)
        is_json = kind.startswith("application/json")
        if status < _FAILURE and is_json and len(body) < _LONGEST_READ:
            self._read(body, "application/json")

    def leaks(self, place: str, text: bytes, *, only: Iterable[str] = (), but: Iterable[str] = ()) -> list[str]:
        """Name the secrets, only of these kinds or of all but these, that stand in a text; never repeat them."""
        only, but = set(only), set(but)
        every = [*self.secrets.items(), *self.codes.items()]
        wanted = {one: kind for one, kind in every if kind not in but and (not only or kind in only)}
        secrets = [one for one in wanted if one in self.secrets and one not in self.public]
        codes = [one for one in wanted if one in self.codes]
        return [f"a {wanted[one]} ({one[:2]}…{one[-2:]}) in {place}" for one in found_in(text, secrets, codes)]

    def _read(self, body: bytes, content_type: str) -> None:
        if content_type.startswith(_FORM):
            self._read_pairs(body.decode("utf-8", "replace"))
            return
        for name, value in _FIELD.findall(body):
            try:
                self._take(name.decode(), json.loads(value))
            except ValueError:
                continue

    def _read_pairs(self, text: str) -> None:
        for name, value in parse_qsl(text, errors="replace"):
            self._take(name, value)

    def _read_cookies(self, text: str) -> None:
        for cookie in text.split(";"):
            self.keep(cookie.partition("=")[2].strip(), "cookie")

    def _take(self, name: str, value: object) -> None:
        if _SECRET_NAME.fullmatch(name):
            self.keep(value, name.lower())
        elif isinstance(value, str):
            self.public.add(value)


keeper = Keeper()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the keeper hear every request of the test client, and every password that is hashed or compared."""
    run, hash_it = Client.run_wsgi_app, Argon2Hasher.hash

    def heard(self: Client, environ: dict[str, Any], buffered: bool = True) -> Any:  # noqa: FBT001, FBT002 -- Werkzeug's
        keeper.hear(environ)
        chunks, status, headers = run(self, environ, buffered=True)
        body = b"".join(chunks)
        keeper.see(int(status[:3]), headers, body)
        return [body], status, headers

    def hashed(self: Argon2Hasher, password: Any, **more: Any) -> Any:
        keeper.keep(password if isinstance(password, str) else password.decode(), "password")
        return hash_it(self, password, **more)

    monkeypatch.setattr(Client, "run_wsgi_app", heard)
    monkeypatch.setattr(Argon2Hasher, "hash", hashed)


def _body(environ: dict[str, Any]) -> bytes:
    stream = environ.get("wsgi.input")
    return stream.getvalue() if isinstance(stream, BytesIO) else b""
