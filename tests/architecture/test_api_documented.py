"""docs/api.md lists every route with who may call it, and nothing else."""

import re
from pathlib import Path

from app.web.declaration import Access
from tests.world import World

TABLE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_endpoints_are_those_of_the_service(world: World) -> None:
    documented = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| (.+) \|$", TABLE.read_text(), re.MULTILINE)

    assert sorted(documented) == sorted(_endpoints(world))


def _endpoints(world: World) -> list[tuple[str, str, str]]:
    found = []
    for rule in world.app.url_map.iter_rules():
        declaration = getattr(world.app.view_functions[rule.endpoint], "declaration", None)
        if declaration is None or declaration.hidden:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        found += [(method, path, _who(declaration.access)) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


def _who(access: object) -> str:
    words = {Access.PUBLIC: "anybody", Access.AUTHENTICATED: "signed in"}
    if isinstance(access, Access):
        return words[access]
    assert isinstance(access, frozenset)
    return " ".join(f"`{permission}`" for permission in sorted(access))
