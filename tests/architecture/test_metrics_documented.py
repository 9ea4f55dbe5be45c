"""docs/monitoring.md lists every metric that the service exposes, with its labels, and no other."""

import re

import pytest

from app.infra import metrics
from tests.api import Api, a_user
from tests.architecture import source
from tests.world import World

PAGE = source.ROOT / "docs" / "monitoring.md"
TOKEN = "a-token-for-prometheus"


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def exposed(text: str) -> dict[str, set[str]]:
    """Return the labels of each metric, without those that a histogram has by nature."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    found: dict[str, set[str]] = {name: set() for name in kinds}
    for sample, labels in re.findall(r"^(\w+)(?:\{([^}]*)\})? \S+$", text, re.MULTILINE):
        name = next(name for name in sorted(kinds, key=len, reverse=True) if sample.startswith(name))
        found[name] |= set(re.findall(r'(\w+)="', labels)) - {"le"}
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


def test_the_page_lists_what_is_exposed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = world.with_settings(metrics_token=TOKEN)
    metrics.start()
    metrics.redis_command("success")
    Api(app).as_(a_user())
    Api(app).get("/nowhere")

    text = Api(app, TOKEN).get("/metrics").text
    metrics.stop()

    assert exposed(text) == documented()
