"""A person's browser: it keeps cookies of the service, and follows providers over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from flask import Flask
from flask.testing import FlaskClient

from tests.api import Answer


@dataclass
class Browser:
    """Cookies, and the service they belong to; ``app`` may be another process's by the time of the next request."""

    app: Flask
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = FlaskClient(self.app, Answer)

    @property
    def cookie(self) -> str:
        """Return what the service knows this browser by."""
        found = self.client.get_cookie("oidc", domain="carboy.test")
        assert found is not None
        return found.value

    def copy(self) -> "Browser":
        """Return a browser with the same cookie."""
        other = Browser(self.app)
        other.client.set_cookie("oidc", self.cookie, domain="carboy.test")
        return other

    def moved_to(self, app: Flask) -> "Browser":
        """Speak to another process of the service from now on."""
        self.app = self.client.application = app
        return self

    def open(self, path: str, *, method: str = "GET", **more: Any) -> Answer:
        return cast("Answer", self.client.open(path, method=method, base_url="http://carboy.test", **more))

    def start(self, provider: str, **query: str) -> str:
        """Begin to sign in; return where the browser is sent."""
        answer = self.open(f"/auth/oidc/{provider}/start?{urlencode(query)}")
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def consent(self, url: str, form: Mapping[str, str] | None = None) -> str:
        """Do at the provider what people do there; return the path that it sends the browser back to."""
        if form is None:
            answer = requests.get(url, allow_redirects=False, timeout=5)
        else:
            answer = requests.post(url, data=form, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        place = urlsplit(answer.headers["Location"])
        assert f"{place.scheme}://{place.netloc}" == "http://carboy.test"
        return f"{place.path}?{place.query}"

    def come_back(self, path: str, **more: Any) -> Answer:
        return self.open(path, **more)

    def sign_in(self, provider: str, form: Mapping[str, str] | None = None, **query: str) -> Answer:
        """Go the whole way; return what the callback answered."""
        return self.come_back(self.consent(self.start(provider, **query), form))

    def exchange(self, code: str, **more: str) -> Answer:
        return self.open("/auth/oidc/token", method="POST", json={"code": code, **more})

    def tokens(self, provider: str, form: Mapping[str, str] | None = None) -> Any:
        """Sign in and return the tokens."""
        answer = self.exchange(code_in(self.sign_in(provider, form)))
        assert answer.status_code == 200, answer.text
        return answer.result


def code_in(answer: Answer) -> str:
    """Return the code that a callback led on with."""
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
