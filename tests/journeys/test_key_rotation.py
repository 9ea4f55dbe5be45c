"""Keys are replaced under the feet of people who are signed in, and nobody notices."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.features.auth.forge import header_of
from tests.journeys.test_restart import PERSON, SETTINGS, call, sign_in
from tests.live import ROOT, LiveServer, environment, running
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(SERVICES, reason="its servers have an SQLite of their own, whatever the world"),
]

FIRST, SECOND = (f"{word} secret of the tests of thirty-two characters" for word in ("the first", "the second"))


def command(folder: Path, *words: str, **settings: str) -> str:
    """Run ``flask`` as an operator does, beside the server."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *words],
        cwd=folder,
        env=environment(folder, **SETTINGS, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def published(server: LiveServer) -> list[dict[str, Any]]:
    with urlopen(f"{server.url}/.well-known/jwks.json", timeout=10) as answer:
        return list(json.loads(answer.read())["keys"])


def verifies(token: str, keys: list[dict[str, Any]]) -> bool:
    keyset = KeySet.import_key_set({"keys": keys})
    return bool(jwt.decode(token, keyset, algorithms=["ES256"]).claims["sub"])


def test_signing_keys_are_rotated_while_two_processes_serve_and_everybody_stays_in(tmp_path: Path) -> None:
    with running(tmp_path, WORKERS="2", **SETTINGS) as server:
        call(server, "POST", "/auth/register", PERSON)
        before = sign_in(server)
        first = header_of(before["access_token"])["kid"]
        known_to_clients = published(server)
        coming = next(key["kid"] for key in known_to_clients if key["kid"] != first)

        told = command(tmp_path, "keys", "rotate")
        after = [sign_in(server) for _ in range(10)]
        everybody = [pair["access_token"] for pair in (before, *after)]
        statuses = {call(server, "GET", "/auth/me", token=token)[0] for token in everybody * 2}
        refreshed, tokens = call(server, "POST", "/auth/refresh", {"refresh_token": before["refresh_token"]})

        assert told == f"Signing with {coming}.\n"
        assert statuses == {200}
        assert refreshed == 200
        signers = {header_of(pair["access_token"])["kid"] for pair in (*after, tokens)}
        assert signers <= {first, coming}
        assert all(verifies(pair["access_token"], known_to_clients) for pair in (before, *after, tokens))

    with running(tmp_path, **SETTINGS) as server:
        newest = sign_in(server)
        kids = [key["kid"] for key in published(server)]

        assert header_of(newest["access_token"])["kid"] == coming
        assert len(kids) == 3
        assert {first, coming} < set(kids)
        assert call(server, "GET", "/auth/me", token=before["access_token"])[0] == 200


def test_the_secret_is_replaced_in_two_restarts_and_everybody_stays_in(tmp_path: Path) -> None:
    with running(tmp_path, SECRET_KEY=FIRST, **SETTINGS) as server:
        call(server, "POST", "/auth/register", PERSON)
        tokens = sign_in(server)

    with running(tmp_path, SECRET_KEY=f"{SECOND},{FIRST}", **SETTINGS) as server:
        assert call(server, "GET", "/auth/me", token=tokens["access_token"])[0] == 200
        told = command(tmp_path, "keys", "reencrypt", SECRET_KEY=f"{SECOND},{FIRST}")
        rewritten = re.search(r"(\d+) of them rewritten under the newest secret", told)
        assert rewritten
        assert int(rewritten[1]) >= 2, "both signing keys; a letter on its way is encrypted as well"

    with running(tmp_path, SECRET_KEY=SECOND, **SETTINGS) as server:
        assert call(server, "GET", "/auth/me", token=tokens["access_token"])[0] == 200
        status, tokens = call(server, "POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        assert status == 200
        assert call(server, "GET", "/auth/me", token=tokens["access_token"])[0] == 200
        assert sign_in(server)
