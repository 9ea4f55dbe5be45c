"""The real thing: a production process, which either refuses in words or serves."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import environment, running
from tests.serving.conftest import Kind
from tests.serving.http import send

pytestmark = [pytest.mark.serving, pytest.mark.slow]

PROPER = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "8Qm2-vLx5_kTz1wRb7nCq4eYh9sJd3uFg6aPo0iV",
    "PUBLIC_URL": "https://accounts.carboy.test",
    "PASSWORD_HASH_MEMORY_KIB": "",
    "PASSWORD_HASH_TIME_COST": "",
    "RATELIMIT_SCALE": "",
}


class TestProduction:
    def test_refuses_to_start_in_words(self, kind: Kind, tmp_path: Path) -> None:
        process = subprocess.run(
            [sys.executable, "-m", *kind],
            cwd=tmp_path,
            env=environment(tmp_path, **PROPER | {"SECRET_KEY": ""}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert process.returncode == 1
        assert process.stdout == ""
        assert process.stderr.startswith(
            "Carboy refuses to start:\n  - SECRET_KEY is missing. Set it to the output of:"
        )
        assert "Traceback" not in process.stderr
        assert list(tmp_path.iterdir()) == []

    def test_serves_with_proper_settings_until_it_is_told_to_stop(self, kind: Kind, tmp_path: Path) -> None:
        with running(tmp_path, kind, **PROPER, MIGRATE_ON_START="1", DRAIN_SECONDS="0") as server:
            ready = send(f"{server.url}/readiness")
            page = send(f"{server.url}/docs", Accept="text/html")

            code = server.stop(signal.SIGTERM)

        assert (ready.status, ready.json["status"]) == (200, "ready")
        assert page.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
        assert "/setup?code=" not in server.output
        assert (code, "Traceback" in server.output) == (0, False)
        assert [line for line in server.lines if not line.startswith("{")] == []
