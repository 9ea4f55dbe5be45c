"""The rules and their tests below ``deploy/monitoring`` as they are written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.architecture import source

FOLDER = source.ROOT / "deploy" / "monitoring"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a file of promtool's tests expects of one alert, group by group: when it fires and when not, in order."""

    alert: str
    groups: tuple[tuple[bool, ...], ...]

    @property
    def fires_and_clears(self) -> bool:
        return any(group[0] is False and True in group and group[-1] is False for group in self.groups)

    @property
    def stays_silent(self) -> bool:
        return any(True not in group for group in self.groups)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules() -> list[dict[str, Any]]:
    files = sorted((FOLDER / "rules").glob("*.yml"))
    return [rule for path in files for group in load(path)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def tried(alert: str) -> Tried:
    content = load(FOLDER / "tests" / f"{alert}.yml")
    groups = [
        [bool(check["exp_samples"]) for check in group["promql_expr_test"] if f'alertname="{alert}"' in check["expr"]]
        for group in content["tests"]
    ]
    return Tried(alert, tuple(tuple(group) for group in groups))
