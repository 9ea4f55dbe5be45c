"""Writes down every setting, for ``docs/configuration.md`` and ``.env.example``; a test holds both to the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from app.core.config import Settings

_MARKDOWN = """\
# Configuration

Settings come from the environment, or from a file `.env` in the folder where Carboy is started; the environment wins.
Nothing has to be set for `make run`. Production refuses to start with what is unsafe; `flask doctor` says in words what
is set, what is reachable and what is unsafe. Lists are separated by commas; an empty value is the default.
This page is written by `flask settings > docs/configuration.md`, and `.env.example` by `flask settings --env`.

| setting | kind | default | meaning |
|---|---|---|---|
"""

_ENV = """\
# Every setting with its default. Copy this file to .env and uncomment what you change; the environment wins over it.
"""

_KINDS = {"boolean": "0 or 1", "integer": "whole number", "number": "number", "array": "list", "path": "folder"}


@dataclass(frozen=True, slots=True)
class Described:
    """One setting; the default as it is written in the environment."""

    name: str
    kind: str
    default: str
    meaning: str


def described(model: type[Settings]) -> list[Described]:
    """Return every setting in the order of the model."""
    shapes = model.model_json_schema()["properties"]
    return [
        Described(name.upper(), _kind(shapes[name]), _default(field), field.description or "")
        for name, field in model.model_fields.items()
    ]


def as_markdown(settings: list[Described]) -> str:
    """Return the page of all settings."""
    rows = ((f"`{one.name}`", one.kind, one.default and f"`{one.default}`", one.meaning) for one in settings)
    return _MARKDOWN + "".join(f"| {' | '.join(_escaped(cell) for cell in row)} |\n" for row in rows)


def as_env(settings: list[Described]) -> str:
    """Return a file of all settings, none of them in force."""
    return _ENV + "".join(f"\n# {one.meaning}\n#{one.name}={one.default}\n" for one in settings)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|")


def _kind(shape: Mapping[str, Any]) -> str:
    given = next((part for part in shape.get("anyOf", ()) if part["type"] != "null"), shape)
    if "enum" in given:
        return " | ".join(f"`{word}`" for word in given["enum"])
    kind = _KINDS.get(given.get("format", given["type"]), "text")
    least, above, most = (given.get(bound) for bound in ("minimum", "exclusiveMinimum", "maximum"))
    if most is None:
        return kind
    return f"{kind}, {least} to {most}" if above is None else f"{kind} above {above}, up to {most}"


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return str(int(field.default))
    return "" if field.default in {None, ()} else str(field.default)
