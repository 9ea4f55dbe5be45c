"""docs/audit.md lists every event that the code records, with its outcomes, and no other."""

import ast
import re

from tests.architecture import recorded, source

PAGE = source.ROOT / "docs" / "audit.md"


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| [^|]*\|$", PAGE.read_text(), re.MULTILINE)
    return {event: set(outcomes.split(", ")) for event, outcomes in rows}


def test_the_events_of_the_page_are_those_of_the_code() -> None:
    assert documented() == recorded.events()


def test_each_recording_names_its_event_where_it_is_made() -> None:
    calls = list(recorded.recordings())

    assert [ast.unparse(call) for call in calls if not recorded.words(call.args[0])] == []
    assert len(calls) > 20
