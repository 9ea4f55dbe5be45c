"""The dashboards below ``deploy/monitoring/grafana`` as they are written."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.deploy import rules

FOLDER = rules.FOLDER / "grafana"
PATHS = sorted((FOLDER / "dashboards").glob("*.json"))
IDS = [path.stem for path in PATHS]

_FILLED_IN = {"$__rate_interval": "1m", "$job": "carboy", "$instance": ".*"}
_ASKED_FOR = re.compile(r"label_values\((.+), (\w+)\)")


@dataclass(frozen=True, slots=True)
class Query:
    """An expression as Prometheus gets it, where it stands, and the labels that are shown of its result."""

    place: str
    expression: str
    shown: frozenset[str]


def load(name: str) -> Any:
    return json.loads((FOLDER / "dashboards" / f"{name}.json").read_text())


def every() -> dict[str, Any]:
    return {name: load(name) for name in IDS}


def panels() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}: {panel['title']}", panel) for name, board in every().items() for panel in board["panels"]]


def of_panels() -> list[Query]:
    return [
        _query(place, target["expr"], target["legendFormat"])
        for place, panel in panels()
        for target in panel["targets"]
    ]


def queries() -> list[Query]:
    """Return every expression of every panel, annotation and variable."""
    notes = [
        _query(f"{name}: {note['name']}", note["expr"], note["titleFormat"] + "{{" + note["tagKeys"] + "}}")
        for name, board in every().items()
        for note in board["annotations"]["list"]
    ]
    variables = [
        _query(f"{name}: ${variable['name']}", *_read_variable(variable["query"]["query"]))
        for name, board in every().items()
        for variable in board["templating"]["list"]
    ]
    return [*of_panels(), *notes, *variables]


def sources(part: Any) -> list[dict[str, str]]:
    """Return every datasource that is named anywhere in a dashboard."""
    if isinstance(part, list):
        return [source for child in part for source in sources(child)]
    if isinstance(part, dict):
        own = [part["datasource"]] if "datasource" in part else []
        return own + [source for name, child in part.items() if name != "datasource" for source in sources(child)]
    return []


def _read_variable(query: str) -> tuple[str, str]:
    found = _ASKED_FOR.fullmatch(query)
    assert found, query
    return found[1], "{{" + found[2] + "}}"


def _query(place: str, expression: str, legend: str) -> Query:
    for name, value in _FILLED_IN.items():
        expression = expression.replace(name, value)
    return Query(place, expression, frozenset(re.findall(r"\{\{(\w+)\}\}", legend)))
