"""What tests of floor 3 share: requests as examples, and the two forms of a failure, held to the letter."""

import re
from typing import Any

from tests.api import Answer, Api

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROBLEM = "application/problem+json"


class Asked:
    """A request as an example, sent by any client."""

    def __init__(self, method: str, path: str, **more: Any) -> None:
        self.method, self.path, self.more = method, path, more

    def by(self, api: Api, **headers: str) -> Answer:
        """Send it, with these headers too."""
        sent = {**self.more.get("headers", {}), **headers}
        return api.send(self.method, self.path, **{**self.more, "headers": sent})


def failure(answer: Answer, status: int, code: str) -> dict[str, list[str]]:
    """Hold an answer to the envelope of failures and return its details."""
    body = answer.json
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/json"
    assert set(body) == {"status", "error", "metadata"}
    assert body["status"] == "error"
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert body["error"]["message"].endswith((".", "'.", "…'."))
    assert set(body["metadata"]) == {"timestamp", "request_id"}
    assert TIMESTAMP.fullmatch(body["metadata"]["timestamp"])
    assert body["metadata"]["request_id"] == answer.headers["X-Request-ID"]
    return dict(body["error"]["details"])


def problem(answer: Answer, status: int, code: str) -> list[dict[str, str]]:
    """Hold an answer to RFC 9457 and return its errors."""
    body: dict[str, Any] = answer.json
    assert answer.status_code == status, answer.text
    assert answer.content_type == PROBLEM
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert body["type"] == f"urn:carboy:problem:{code.lower().replace('_', '-')}"
    assert body["title"] == code.replace("_", " ").capitalize()
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"].endswith((".", "'."))
    assert body["instance"] == answer.request.path
    assert body["request_id"] == answer.headers["X-Request-ID"]
    errors: list[dict[str, str]] = body.get("errors", [])
    assert all(set(error) == {"pointer", "detail"} for error in errors)
    return errors
