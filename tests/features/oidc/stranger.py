"""A provider of our own that really answers over HTTP, and that says whatever a test wants it to say."""

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

from app.core import clock

KEY = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
OTHER_KEY = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
CLIENT, SECRET = "carboy", "a secret of the client"

Json = dict[str, Any]
Answer = tuple[int, Json | list[Json] | bytes, dict[str, str]]


class Stranger:
    """An OpenID provider and an OAuth 2 server in one. It checks PKCE, the redirect URI and the client as it should."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Behave again."""
        self.seen: list[str] = []
        self.authorizations: list[str] = []
        self.codes: dict[str, Json] = {}
        self.form: dict[str, str] = {}
        self.keys: list[Json] = [KEY.as_dict(private=False)]
        self.key, self.header = KEY, {"alg": "RS256", "kid": KEY.kid}
        self.person: Json = {"sub": "ada-1", "email": "ada@people.test", "email_verified": True}
        self.claims: Json = {}
        self.without: tuple[str, ...] = ()
        self.metadata: Json = {}
        self.callback: Json = {}
        self.sign: Callable[[Json], str] = self.signed
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.userinfo: Json | None = None
        self.emails: list[Json] = []

    def signed(self, claims: Json) -> str:
        """Return the ID token of these claims as an honest provider signs it."""
        return jws.serialize_compact(self.header, json.dumps(claims), self.key, algorithms=["RS256"])

    def authorize(self, asked: dict[str, str]) -> Answer:
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], **self.callback}
        return 302, {}, {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"}

    def token(self, form: dict[str, str], authorization: str) -> Answer:
        self.form = form
        asked = self.codes.pop(form.get("code", ""), None)
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != basic and (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}, {}
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}, {}
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked.get("code_challenge_method") != "S256" or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}, {}
        now = int(clock.now().timestamp())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked.get("nonce")}
        claims |= self.person | self.claims
        id_token = self.sign({name: value for name, value in claims.items() if name not in self.without})
        return 200, {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}, {}

    def described(self) -> Json:
        """Return the metadata of OpenID Connect Discovery."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            **self.metadata,
        }

    url = ""

    def answer(self, path: str, query: dict[str, str], form: dict[str, str], authorization: str) -> Answer:
        self.seen.append(path)
        self.authorizations.append(authorization)
        if path in self.answers:
            return self.answers[path]()
        if path == "/authorize":
            return self.authorize(query)
        if path == "/token":
            return self.token(form, authorization)
        said: dict[str, Any] = {
            "/.well-known/openid-configuration": self.described(),
            "/keys": {"keys": self.keys},
            "/userinfo": self.person if self.userinfo is None else self.userinfo,
            "/emails": self.emails,
        }
        bearer = path not in {"/userinfo", "/emails"} or authorization == "Bearer at"
        return (200, said[path], {}) if bearer else (401, {}, {})


@contextmanager
def running() -> Iterator[Stranger]:
    """Serve until the end, each request on a thread."""
    stranger = Stranger()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, said, headers = stranger.answer(parts.path, query, form, self.headers.get("Authorization", ""))
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # who asked has left

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stranger.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stranger
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
