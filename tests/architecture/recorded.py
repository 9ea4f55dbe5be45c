"""Which events the code records in the audit trail, for the tests that hold documents and rules to it."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.architecture import source


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


def events() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for call in recordings():
        said = next((word.value for word in call.keywords if word.arg == "outcome"), ast.Constant("success"))
        for event in words(call.args[0]):
            found[event] |= words(said)
    return dict(found)
