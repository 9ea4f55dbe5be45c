"""The routes of the application, with paths that can be called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask

from app.web.declaration import Declaration, of

ID, UUID = "1", "01890a5d-ac96-774b-bcce-b302099a8057"
_PART = re.compile(r"<(?:(\w+):)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """One method of one path, and what its view declares."""

    method: str
    rule: str
    declaration: Declaration

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"

    @property
    def is_api(self) -> bool:
        return self.rule.startswith(("/api/", "/auth/"))

    @property
    def has_parts(self) -> bool:
        return "<" in self.rule

    def path(self, part: str | None = None) -> str:
        """Return the path with this in place of its parts, or with ids of the right form."""
        return _PART.sub(lambda found: part if part is not None else _example(found[1]), self.rule)


def routes(app: Flask) -> Iterator[Route]:
    """Yield every route but the files."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            declaration = of(app.view_functions[rule.endpoint])
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Route(method, rule.rule, declaration)


def _example(converter: str | None) -> str:
    return {"id": ID, "int": ID, "uuid": UUID}.get(converter or "", "example")
