"""What docs/security.md and docs/asvs.md say is there: every requirement, and every test and file they name."""

import ast
import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASVS, SECURITY = ROOT / "docs" / "asvs.md", ROOT / "docs" / "security.md"
REQUIREMENTS = Path(__file__).parent / "asvs_5_0_0.csv"
STATES = {"held", "partly", "not held", "not applicable", "operator's"}
NAMED = re.compile(r"`((?:app|docs|tests|migrations)/[\w./-]+(?:::\w+)*|[\w.-]+\.(?:txt|md))`")


def rows() -> list[list[str]]:
    lines = [line.strip("| \n").split(" | ") for line in ASVS.read_text().splitlines()]
    return [line for line in lines if re.fullmatch(r"\d+\.\d+\.\d+", line[0])]


def resolve(reference: str) -> bool:
    """Tell whether a file, a class or a test of that name exists."""
    place, *names = reference.split("::")
    path = ROOT / place
    if not names:
        return path.exists()
    found: list[ast.stmt] = ast.parse(path.read_text()).body if path.is_file() else []
    for name in names:
        named = [node for node in found if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name]
        if not named:
            return False
        found = named[0].body
    return True


class TestAsvs:
    def test_names_each_requirement_of_levels_1_and_2_once(self) -> None:
        with REQUIREMENTS.open() as file:
            required = [(row["requirement"], row["level"]) for row in csv.DictReader(file)]

        assert [(row[0], row[1]) for row in rows()] == required
        assert len(required) == 253

    def test_gives_each_a_known_state_and_says_why(self) -> None:
        wrong = [row for row in rows() if len(row) != 5 or row[3] not in STATES or len(row[4]) < 5]

        assert wrong == []


class TestReferences:
    @pytest.mark.parametrize("page", [ASVS, SECURITY, ROOT / "SECURITY.md"], ids=lambda page: page.name)
    def test_lead_to_what_exists(self, page: Path) -> None:
        named = NAMED.findall(page.read_text())

        assert [reference for reference in named if not resolve(reference)] == []
        assert named

    @pytest.mark.parametrize(
        "reference",
        ["tests/nowhere.py", "tests/conftest.py::Nothing", "tests/conftest.py::Clock::nothing", "nothing.md"],
    )
    def test_that_lead_nowhere_are_found(self, reference: str) -> None:
        assert not resolve(reference)

    def test_that_lead_to_a_test_are_resolved(self) -> None:
        assert resolve("tests/architecture/test_security_documented.py::TestReferences::test_lead_to_what_exists")

    def test_hold_each_promise(self) -> None:
        promises = [line for line in SECURITY.read_text().splitlines() if line.startswith("| ") and "`tests/" in line]

        assert len(promises) >= 25
