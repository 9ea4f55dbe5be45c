"""A fresh instance, from outside: what it printed and what lies in its folder or database afterwards."""

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psycopg
import pytest
from sqlalchemy import make_url

from tests.canary.spelling import found_in
from tests.live import LiveServer, running
from tests.migrations.databases import empty_database

PASSWORD, NEW, WRONG = "Canary-Horse-7-Battery", "Canary-Mare-8-Staple", "Canary-Foal-9-Wrong"
MADE_UP = ["Canary-Token-1-xyz", "Canary-Code-2-xyz", "Canary-Key-3-xyz", "Canary-Cookie-4-xyz", "Canary-Query-5-xyz"]
PERSON = {"username": "grace", "email": "grace@navy.test", "password": PASSWORD}


class Visitor:
    """Sends requests, and keeps what failures say."""

    def __init__(self, server: LiveServer) -> None:
        self.url = server.url
        self.failures: list[bytes] = []
        self.statuses: list[int] = []

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        sent = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        try:
            with urlopen(Request(self.url + path, data, sent, method=method), timeout=10) as answer:
                return json.loads(answer.read() or b"{}").get("data")
        except HTTPError as failure:
            with failure:
                self.failures.append(failure.read() + str(failure.headers).encode())
                self.statuses.append(failure.code)
            return None


def visit(visitor: Visitor) -> list[str]:
    """Send a secret of each kind wherever one may be sent; return all that passed."""
    token, code, key, cookie, query = MADE_UP
    visitor.send("POST", "/auth/register", PERSON)
    visitor.send("POST", "/auth/register", PERSON)
    visitor.send("POST", "/auth/login", {"username": "grace", "password": WRONG})
    visitor.send("POST", "/auth/login", b'{"username":"grace","password":"' + WRONG.encode())
    visitor.send("POST", "/auth/login", {"username": "grace", "password": PASSWORD, "code": code})
    pair = visitor.send("POST", "/auth/login", {"username": "grace", "password": PASSWORD})
    mine = f"Bearer {pair['access_token']}"
    visitor.send("GET", f"/auth/me?token={query}", Authorization=mine, Cookie=f"session={cookie}", X_API_Key=key)
    visitor.send(
        "GET", f"/nothing/{token}?access_token={query}", Authorization=f"Bearer {key}", Referer=f"http://x/{code}"
    )
    changed = {"current_password": PASSWORD, "new_password": NEW}
    visitor.send("POST", "/auth/password/change", changed, Authorization=mine, Idempotency_Key="the-key-of-a-change")
    for body in ({"token": token, "new_password": NEW}, {"mfa_token": token, "code": code}, {"token": code}):
        for path in ("/auth/password/reset", "/auth/login/mfa", "/auth/email/verify", "/auth/reauth"):
            visitor.send("POST", path, body, Authorization=mine)
    form = urlencode({**PERSON, "username": "ada", "email": "ada@engines.test", "code": code}).encode()
    visitor.send("POST", "/setup", form, Content_Type="application/x-www-form-urlencoded")
    next_pair = visitor.send("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
    visitor.send("POST", "/auth/refresh", {"refresh_token": next_pair["refresh_token"]})
    tokens = [one[name] for one in (pair, next_pair) for name in ("access_token", "refresh_token")]
    return [PASSWORD, NEW, WRONG, *MADE_UP, *tokens]


def stored(url: str, folder: Path) -> bytes:
    """Return all that the instance keeps: its files, also logs of the database, and every row of a PostgreSQL."""
    kept = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".err")
    if not url.startswith("postgresql"):
        return kept
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as operator:
        tables = operator.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        dumps = [
            operator.execute(f'SELECT json_agg(t)::text FROM "{table}" AS t'.encode()).fetchall()  # noqa: S608 -- its own tables
            for (table,) in tables
        ]
    return kept + repr(dumps).encode()


@pytest.mark.serving
@pytest.mark.slow
def test_a_secret_that_was_sent_is_nowhere_afterwards(tmp_path: Path) -> None:
    with empty_database(tmp_path) as url:
        settings = {"DATABASE_URL": url.replace("postgresql+psycopg:", "postgresql:"), "MIGRATE_ON_START": "1"}
        with running(tmp_path, PUBLIC_URL="http://carboy.test", **settings) as server:
            visitor = Visitor(server)
            setup = server.setup_code
            secrets = visit(visitor)
            running_state = stored(url, tmp_path)
        after = stored(url, tmp_path)

    secret_key = (tmp_path / "secret_key").read_text().strip()
    assert found_in(b"\n".join(visitor.failures), [*secrets, setup, secret_key]) == []
    assert found_in(running_state + after, [*secrets, setup]) == []
    assert found_in(server.output.encode(), [*secrets, secret_key]) == []
    assert len(visitor.failures) >= 10
    assert max(visitor.statuses) < 500
    # What is no secret is there: the search would have found one.
    assert b'"route":"/auth/login"' in server.log.read_bytes()
    assert b"grace@navy.test" in running_state
