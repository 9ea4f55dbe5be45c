"""Off means free: nothing is imported, and nothing is put around the app."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import ROOT, environment, free_port
from tests.world import SERVICES

PACKAGES = ("opentelemetry", "sentry_sdk", "google.protobuf")
PROGRAM = f"""
import sys
from app.core.config import load
from app.main.factory import create_app
app = create_app(load(env_file=None))
assert app.test_client().get("/health").status_code == 200
layers = [type(layer).__name__ for layer in (app.wsgi_app, app.wsgi_app._app)]
print([name for name in {PACKAGES} if name in sys.modules], *layers)
"""
ADDRESS = f"http://public@127.0.0.1:{free_port()}"


def run(var: Path, **settings: str) -> str:
    env = environment(var, **settings)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()[-1]


@pytest.mark.skipif(SERVICES, reason="a process of its own, with settings that no world changes")
@pytest.mark.slow
class TestOff:
    def test_imports_nothing_and_wraps_nothing(self, tmp_path: Path) -> None:
        assert run(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") == "[] RequestLog method"

    def test_is_not_what_it_would_be_on(self, tmp_path: Path) -> None:
        said = run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=ADDRESS, SENTRY_DSN=f"{ADDRESS}/7")

        assert said == "['opentelemetry', 'sentry_sdk', 'google.protobuf'] RequestLog ServerSpan"
