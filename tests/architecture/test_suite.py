"""Rules that the tests themselves keep."""

import ast
from collections.abc import Iterator

from tests.architecture import source
from tests.architecture.source import Module

SKIPS = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail", "pytest.skip", "pytest.xfail"}
LEAST_REASON = 10


def calls(module: Module) -> Iterator[tuple[str, ast.Call | None, int]]:
    """Yield what is called, or only named, as a decorator is."""
    called = {id(node.func): node for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), called.get(id(node)), node.lineno


def reason_of(call: ast.Call | None) -> str:
    """Return the words that a skip gives as its reason."""
    given = [] if call is None else [*call.args, *(word.value for word in call.keywords if word.arg == "reason")]
    words = [part.value for one in given for part in ast.walk(one) if isinstance(part, ast.Constant)]
    return " ".join(word for word in words if isinstance(word, str))


def test_no_test_is_skipped_without_a_reason() -> None:
    skips = [
        (f"{module.place}:{line}", reason_of(call))
        for module in source.modules("tests")
        for name, call, line in calls(module)
        if name in SKIPS
    ]

    assert [place for place, reason in skips if len(reason) < LEAST_REASON] == []
    assert skips


def test_no_test_sleeps_for_a_fixed_time() -> None:
    waiting = {"tests/live.py", "tests/servers.py"}  # ask again and again, up to a bound
    killing = {"tests/main/test_moving_killed.py"}  # the moment of a kill is random

    sleepers = {module.place for module in source.modules("tests") if "time.sleep" in source.uses(module)}

    assert sleepers - waiting - killing == set()


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (source.ROOT / "tests").rglob("test_*.py")}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
