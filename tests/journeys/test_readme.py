"""The README's tour, run as printed against the real server."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.live import LiveServer

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.mark.serving
def test_the_tour_works_as_printed(live_server: LiveServer) -> None:
    tour = next(block for block in BLOCKS if "# Register" in block)
    done = subprocess.run(
        ["bash", "-euc", tour],
        env={**os.environ, "B": live_server.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    statuses = re.findall(r'"status":"(success|error)"', done.stdout)
    assert statuses == ["success", "success", "error"]
    assert '"username":"ada"' in done.stdout
    assert '"code":"INVALID_TOKEN"' in done.stdout
