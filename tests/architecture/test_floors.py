import pytest
from importlinter.api import read_configuration
from importlinter.application.use_cases import lint_imports

from tests.architecture import source
from tests.architecture.source import Module

FEATURES = "app.features."


def feature_of(name: str) -> str:
    """Return the feature that a dotted name is in, empty if none."""
    return name.removeprefix(FEATURES).split(".")[0] if name.startswith(FEATURES) else ""


def rooms_reached(module: Module) -> set[str]:
    """Return ``feature.room`` for every room of another feature that this module imports."""
    own = feature_of(module.name)
    parts = [name.split(".")[2:4] for name in source.imports(module) if feature_of(name) not in {"", own}]
    return {".".join(part) for part in parts}


class TestContracts:
    def test_all_are_kept(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.chdir(source.ROOT)

        kept = lint_imports("pyproject.toml", cache_dir=None, no_logo=True)

        assert kept, capsys.readouterr().out

    def test_know_every_floor(self) -> None:
        floors = {path.parent.name for path in (source.ROOT / "app").glob("*/__init__.py")}

        assert floors == {"core", "infra", "web", "features", "console", "main"}

    def test_know_every_feature(self) -> None:
        contracts = read_configuration(str(source.ROOT / "pyproject.toml"))["contracts_options"]
        rooms = next(contract for contract in contracts if contract["id"] == "rooms")

        known = {feature_of(container) for container in rooms["containers"]}

        assert known == {path.parent.name for path in (source.ROOT / "app/features").glob("*/__init__.py")}


class TestDoors:
    def test_a_feature_enters_another_only_through_its_service(self) -> None:
        inside = [module for module in source.modules() if feature_of(module.name)]

        intruders = {module.place: rooms_reached(module) for module in inside}

        assert {
            place: rooms for place, rooms in intruders.items() if not all(r.endswith(".service") for r in rooms)
        } == {}
        assert any(intruders.values())

    def test_nobody_touches_the_tables_of_another_feature(self) -> None:
        strangers = [
            (module.place, name)
            for module in source.modules()
            for name in source.imports(module)
            if ".models" in name and feature_of(name) != feature_of(module.name)
        ]

        assert strangers == []

    def test_no_view_reaches_a_neighbour(self) -> None:
        views = [module for module in source.modules() if module.name.endswith("routes")]

        reached = {module.place: [n for n in source.imports(module) if n.startswith("app.infra")] for module in views}

        assert {place: names for place, names in reached.items() if names} == {}
        assert len(views) >= 5

    def test_the_console_knows_only_services_web_and_core(self) -> None:
        pages = [module for module in source.modules() if module.name.startswith("app.console")]

        reached = {name for module in pages for name in source.imports(module) if name.startswith("app.")}

        allowed = ("app.core.", "app.web.", "app.console.")
        others = {name for name in reached if not name.startswith(allowed)}
        assert {name for name in others if name.split(".")[3] != "service"} == set()
        assert others

    def test_every_door_says_what_it_promises(self) -> None:
        doors = [module for module in source.modules() if module.name.endswith(".service")]

        silent = [door.place for door in doors if "__all__" not in source.assigned(door)]

        assert silent == []
        assert len(doors) >= 6


class TestRooms:
    @pytest.mark.parametrize("feature", sorted({feature_of(m.name) for m in source.modules() if feature_of(m.name)}))
    def test_a_feature_says_its_subject_in_one_sentence(self, feature: str) -> None:
        written = (source.ROOT / "app/features" / feature / "__init__.py").read_text()

        assert written.startswith('"""')
        assert written.count("\n") == 1
