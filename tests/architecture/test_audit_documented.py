"""docs/audit.md lists every event that the code records, with its outcomes, and no other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.architecture import source

PAGE = source.ROOT / "docs" / "audit.md"


def recordings() -> Iterator[ast.Call]:
    """Yield every call of ``audit.record`` in the code, and of ``record`` in audit itself."""
    for module in source.modules():
        for node in ast.walk(module.tree):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name == "audit.record" or (name == "record" and module.name.startswith("app.features.audit.")):
                assert isinstance(node, ast.Call)
                yield node


def words(node: ast.expr) -> set[str]:
    return {
        str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def recorded() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for call in recordings():
        said = next((word.value for word in call.keywords if word.arg == "outcome"), ast.Constant("success"))
        for event in words(call.args[0]):
            found[event] |= words(said)
    return dict(found)


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| [^|]*\|$", PAGE.read_text(), re.MULTILINE)
    return {event: set(outcomes.split(", ")) for event, outcomes in rows}


def test_the_events_of_the_page_are_those_of_the_code() -> None:
    assert documented() == recorded()


def test_each_recording_names_its_event_where_it_is_made() -> None:
    calls = list(recordings())

    assert [ast.unparse(call) for call in calls if not words(call.args[0])] == []
    assert len(calls) > 20
