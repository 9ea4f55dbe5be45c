import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.live import LiveServer, running
from tests.world import SERVICES

SETTINGS = {"PUBLIC_URL": "http://carboy.test"}
PERSON = {"username": "grace", "email": "grace@navy.test", "password": "SecurePass123!"}


def call(server: LiveServer, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
    """Send a request as clients do; return status and data."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    request = Request(server.url + path, data, headers, method=method)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}").get("data")
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def sign_in(server: LiveServer) -> dict[str, Any]:
    status, tokens = call(
        server, "POST", "/auth/login", {"username": PERSON["username"], "password": PERSON["password"]}
    )
    assert status == 200
    return dict(tokens)


@pytest.mark.skipif(SERVICES, reason="its servers have an SQLite of their own, whatever the world")
@pytest.mark.serving
@pytest.mark.slow
def test_who_signed_out_stays_out_and_who_did_not_stays_in_when_the_server_restarts(tmp_path: Path) -> None:
    with running(tmp_path, **SETTINGS) as server:
        assert call(server, "POST", "/auth/register", PERSON)[0] == 201
        ended, kept = sign_in(server), sign_in(server)
        assert call(server, "POST", "/auth/logout", token=ended["access_token"])[0] == 204
        assert call(server, "GET", "/auth/me", token=ended["access_token"])[0] == 401

    with running(tmp_path, **SETTINGS) as server:
        assert call(server, "GET", "/auth/me", token=ended["access_token"])[0] == 401
        assert call(server, "POST", "/auth/refresh", {"refresh_token": ended["refresh_token"]})[0] == 401
        assert call(server, "GET", "/auth/me", token=kept["access_token"])[0] == 200
        assert call(server, "POST", "/auth/refresh", {"refresh_token": kept["refresh_token"]})[0] == 200
