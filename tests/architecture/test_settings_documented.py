import re

import pytest
from flask.testing import FlaskCliRunner

from app.core.config import Settings
from app.main import settings_reference
from tests.architecture import source
from tests.world import World

DOCUMENTS = [
    pytest.param([], "docs/configuration.md", id="page"),
    pytest.param(["--env"], ".env.example", id="env"),
]


class TestSettings:
    @pytest.mark.parametrize(("options", "document"), DOCUMENTS)
    def test_are_documented_as_they_are(self, world: World, options: list[str], document: str) -> None:
        printed = FlaskCliRunner(world.app).invoke(args=["settings", *options])

        assert printed.exit_code == 0
        assert (source.ROOT / document).read_text() == printed.stdout

    def test_are_all_in_the_page_once(self) -> None:
        page = (source.ROOT / "docs/configuration.md").read_text()

        listed = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)

        assert listed == [name.upper() for name in Settings.model_fields]

    def test_are_all_in_the_example_once_and_none_is_in_force(self) -> None:
        lines = (source.ROOT / ".env.example").read_text().splitlines()

        listed = [line[1:].partition("=")[0] for line in lines if re.match(r"#[A-Z_]+=", line)]

        assert listed == [name.upper() for name in Settings.model_fields]
        assert [line for line in lines if line and not line.startswith("#")] == []

    def test_are_each_described_in_one_line(self) -> None:
        meanings = {one.name: one.meaning for one in settings_reference.described(Settings)}

        assert {name: text for name, text in meanings.items() if not text.endswith(".") or "\n" in text} == {}

    def test_keep_their_defaults_when_the_example_is_put_in_force(self) -> None:
        lines = re.findall(r"^#([A-Z_]+)=(.+)$", (source.ROOT / ".env.example").read_text(), re.MULTILINE)
        written = {name.lower(): value for name, value in lines}

        read = Settings.model_validate(written)

        default = Settings.model_construct()
        assert read.model_dump(include=set(written)) == default.model_dump(include=set(written))
