"""Empty databases of the server or folder of this world, and migrations of the tests' own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from app.infra import migrations
from tests import databases
from tests.world import SERVICES

OURS = migrations.FOLDER

REVISION = '''"""Made up."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("made_up_{revision}", sa.Column("id", sa.Integer(), primary_key=True))
    {more}


def downgrade() -> None:
    op.drop_table("made_up_{revision}")
'''


@contextmanager
def empty_database(folder: Path) -> Iterator[str]:
    """Make a database with nothing in it, and yield its URL."""
    if not SERVICES:
        yield f"sqlite:///{folder / 'empty.db'}"
        return
    server, name = os.environ["TEST_DATABASE_URL"], f"carboy_test_{uuid4().hex}"
    try:
        yield databases.make_empty(server, name)
    finally:
        databases.drop(server, name)


@dataclass(frozen=True)
class LongerHistory:
    """A copy of the migrations with three more, and the revisions of these."""

    folder: Path
    second: str
    third: str


def longer_history(folder: Path, *, more: str = "") -> LongerHistory:
    """Copy the migrations and add three; ``more`` is what the third also does."""
    copied = folder / "migrations"
    shutil.copytree(OURS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(path.name for path in (copied / "versions").glob("*.py"))
    names = [f"{int(last[:4]) + step:04}" for step in range(4)]
    for before, revision, also in zip(names, names[1:], ("", "", more), strict=False):
        text = REVISION.format(revision=revision, before=before, more=also)
        (copied / "versions" / f"{revision}_made_up.py").write_text(text)
    return LongerHistory(copied, second=names[2], third=names[3])
