"""Somebody with an authenticator, through a restart of the server."""

import time
from pathlib import Path

import pyotp
import pytest

from tests.journeys.test_restart import PERSON, SETTINGS, call
from tests.live import running
from tests.world import SERVICES

STEP = 30


@pytest.mark.skipif(SERVICES, reason="its servers have an SQLite of their own, whatever the world")
@pytest.mark.serving
@pytest.mark.slow
def test_who_proved_the_password_before_a_restart_finishes_after_it_and_each_code_stays_used(tmp_path: Path) -> None:
    named = {"username": PERSON["username"], "password": PERSON["password"]}
    with running(tmp_path, **SETTINGS) as server:
        call(server, "POST", "/auth/register", PERSON)
        token = call(server, "POST", "/auth/login", named)[1]["access_token"]
        assert call(server, "POST", "/auth/reauth", {"password": PERSON["password"]}, token)[0] == 200
        totp = pyotp.TOTP(call(server, "POST", "/auth/mfa/totp", token=token)[1]["secret"])
        used, fresh = totp.at(time.time() - STEP), totp.now()
        assert call(server, "POST", "/auth/mfa/totp/confirm", {"code": used}, token)[0] == 200
        first, second = (call(server, "POST", "/auth/login", named)[1]["mfa_token"] for _ in range(2))

    with running(tmp_path, **SETTINGS) as server:
        replayed = call(server, "POST", "/auth/login/mfa", {"mfa_token": first, "code": used})
        finished = call(server, "POST", "/auth/login/mfa", {"mfa_token": first, "code": fresh})
        again = call(server, "POST", "/auth/login/mfa", {"mfa_token": second, "code": fresh})

    assert (replayed[0], replayed[1]["error"]["code"]) == (401, "INVALID_MFA_CODE")
    assert finished[0] == 200
    assert (again[0], again[1]["error"]["code"]) == (401, "INVALID_MFA_CODE")
