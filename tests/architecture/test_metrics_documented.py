"""docs/monitoring.md lists every metric that the service exposes, with its labels, and no other."""

import re

from tests.architecture import exposed, source
from tests.world import World

PAGE = source.ROOT / "docs" / "monitoring.md"
BY_NATURE = {"le"}  # of a histogram


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def test_the_page_lists_what_is_exposed(world: World) -> None:
    found = exposed.read(world)

    assert {name: set(metric.labels) - BY_NATURE for name, metric in found.items()} == documented()
