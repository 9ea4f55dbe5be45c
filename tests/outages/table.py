"""The tables of docs/outages.md, read: what each test asserts stands there and nowhere else."""

import re
from dataclasses import dataclass

from tests.live import ROOT

PAGE = ROOT / "docs" / "outages.md"
COLUMNS = ("API read", "API write", "sign-in", "console page", "job", "`/health`", "`/readiness`", "well again")
_CELL = re.compile(r"^(?P<said>[a-z0-9_ ]+?)(?:, (?P<bound>[A-Z0-9. +]+ m?s))?$")


@dataclass(frozen=True)
class Cell:
    """What is said to happen, ``503`` or ``200 degraded`` or ``waits``, and within how many seconds."""

    outage: str
    column: str
    said: str
    seconds: float | None

    @property
    def allows(self) -> set[str]:
        return set(self.said.split(" or "))


def cells(heading: str, given: dict[str, float]) -> dict[str, dict[str, Cell]]:
    """Return the cells under a heading, by outage and column; ``given`` says what the letters of bounds stand for."""
    part = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip().strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    header, _, *body = [[word.strip() for word in row] for row in rows]
    assert tuple(header) == ("outage", *COLUMNS), header
    for row in body:
        assert len(row) == len(header), row
    return {
        row[0]: {name: _cell(row[0], name, text, given) for name, text in zip(COLUMNS, row[1:], strict=True)}
        for row in body
    }


def _cell(outage: str, column: str, text: str, given: dict[str, float]) -> Cell:
    if column == "well again":
        return Cell(outage, column, "", _seconds(text, given))
    found = _CELL.match(text)
    assert found, f"{outage}, {column}: {text!r} is no cell"
    return Cell(outage, column, found["said"], None if found["bound"] is None else _seconds(found["bound"], given))


def _seconds(bound: str, given: dict[str, float]) -> float:
    """Add the terms of a bound up: ``P + S + 2 s``."""
    terms, unit = bound.rsplit(" ", 1)
    total = sum(given[term] if term in given else float(term) for term in terms.split(" + "))
    return total / 1000 if unit == "ms" else total
