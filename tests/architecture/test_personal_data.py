"""docs/personal-data.md says of every column whether it holds personal data."""

import re
from pathlib import Path

from flask.testing import FlaskCliRunner

from app.infra import personal
from app.infra.resealing import purpose_of
from tests.architecture import source
from tests.world import World

PAGE = Path(source.ROOT / "docs" / "personal-data.md")


def impersonal() -> list[str]:
    """Return the columns of the second table, which is reviewed by hand."""
    rows = re.findall(
        r"^\| `(\w+)` \| (`.+`) \|$", PAGE.read_text().partition("## Columns that do not")[2], re.MULTILINE
    )
    return [f"{table}.{column}" for table, columns in rows for column in re.findall(r"`(\w+)`", columns)]


def test_the_page_lists_the_personal_columns_as_the_models_mark_them(world: World) -> None:
    printed = FlaskCliRunner(world.app).invoke(args=["privacy", "columns"])

    assert printed.exit_code == 0
    assert printed.stdout.strip() in PAGE.read_text()


def test_every_column_of_every_table_is_classified_once(world: World) -> None:
    marked = [f"{column.table.name}.{column.name}" for column in personal.columns()]
    every = [f"{column.table.name}.{column.name}" for column in personal.every_column()]

    assert sorted([*marked, *impersonal()]) == sorted(every)
    assert len(every) > 100


def test_what_an_attacker_could_sign_in_with_is_hashed_or_encrypted(world: World) -> None:
    suspicious = [
        f"{column.table.name}.{column.name}"
        for column in personal.every_column()
        if re.search("secret|private|password|sealed|token|answer", column.name) and not purpose_of(column)
    ]

    assert suspicious == ["users.password_hash"]
