"""The code of ``app/`` as it is written, for the tests that hold it to its rules."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, where it is, and what it says."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))


@cache
def modules(folder: str = "app") -> tuple[Module, ...]:
    """Return every module below a folder of the checkout."""
    return tuple(read(path) for path in sorted((ROOT / folder).rglob("*.py")))


def read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    return Module(name, path, ast.parse(path.read_text(), str(path)))


def imports(module: Module) -> Iterator[str]:
    """Yield the dotted name of everything that is imported, also inside of functions."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{_package(node)}.{alias.name}" for alias in node.names)


def _package(node: ast.ImportFrom) -> str:
    assert node.level == 0, "relative imports hide where they go"
    return node.module or ""


def assigned(module: Module) -> set[str]:
    """Return the names that a module gives values at its top."""
    targets = [target for node in module.tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def uses(module: Module) -> Iterator[str]:
    """Yield every dotted name that a module uses, such as ``time.time`` or ``os.environ``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def literals(module: Module) -> Iterator[str]:
    """Yield every text that stands in a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Yield every function with the number of its lines, from its first decorator to its last statement."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield f"{module.place}:{first} {node.name}", (node.end_lineno or first) - first + 1
