"""HTTP over a real connection, byte by byte where that matters."""

import http.client
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlencode, urlsplit

SECONDS = 10


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def send(url: str, method: str = "GET", body: bytes | Iterable[bytes] | None = None, **headers: str) -> Reply:
    """Send a request; a body in parts goes chunked, without its length."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with suppress(BrokenPipeError):  # a server may refuse a body before it has read all of it
            connection.request(method, path, body, named, encode_chunked=not isinstance(body, bytes | None))
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


def send_json(url: str, body: object, **headers: str) -> Reply:
    return send(url, "POST", json.dumps(body).encode(), Content_Type="application/json", **headers)


def send_form(url: str, **fields: str) -> Reply:
    return send(url, "POST", urlencode(fields).encode(), Content_Type="application/x-www-form-urlencoded")
