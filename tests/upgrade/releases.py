"""The releases after this one: copies of the tree in which ``users.first_name`` becomes ``users.given_name``.

What they change is written down here as it would be in a commit; ``added/`` holds the files that they add. Release N is
the tree as it is. docs/migrations.md tells why it takes four.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.live import ROOT

ADDED = Path(__file__).with_name("added")

MODELS = "app/features/accounts/models.py"
PEOPLE = "app/features/accounts/people.py"
COMMANDS = "app/features/accounts/cli.py"
FEATURES = "app/main/features.py"

N_FIRST_NAME = "    first_name: Mapped[str] = mapped_column(String(100), info=EMPTIED)\n"

BOTH_READS_OLD = (
    N_FIRST_NAME
    + """    given_name: Mapped[str | None] = mapped_column(String(100), info=EMPTIED)

    @validates("first_name")
    def _write_twice(self, _name: str, value: str) -> str:
        self.given_name = value
        return value

"""
)

BOTH_READS_NEW = """    first_name: Mapped[str] = mapped_column("given_name", String(100), info=EMPTIED)
    old_first_name: Mapped[str] = mapped_column("first_name", String(100), info=EMPTIED)

    @validates("first_name")
    def _write_twice(self, _name: str, value: str) -> str:
        self.old_first_name = value
        return value

"""

NEW_ALONE = '    first_name: Mapped[str] = mapped_column("given_name", String(100), info=EMPTIED)\n'

N_IMPORT = "from sqlalchemy.orm import Mapped, mapped_column\n"
N_COMMANDS = '    """Add the commands that stand beside the groups."""\n'
FILL_COMMAND = '''
    @command(root, "fill-given-names")
    def fill_given_names() -> None:
        """Have given names filled from first names, and again whatever differs."""
        jobs.enqueue("accounts.fill_given_names")

'''


class NoLongerApplies(Exception):
    """A release after this one changes a line that this one has not, or has twice: see tests/upgrade/releases.py."""


@dataclass(frozen=True)
class Edit:
    """Words of a file, and what the release has in their place."""

    path: str
    old: str
    new: str

    def apply(self, tree: Path) -> None:
        text = (tree / self.path).read_text()
        if text.count(self.old) != 1:
            raise NoLongerApplies(f"{self.path} has {text.count(self.old)} times, and not once:\n{self.old}")
        (tree / self.path).write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Release:
    """What a release changes in the one before it; ``revision`` is a file in ``added/``."""

    name: str
    edits: Sequence[Edit] = ()
    revision: str = ""
    room: str = ""


EXPAND = Release(
    "N+1: writes both, reads the old",
    [
        Edit(MODELS, N_IMPORT, "from sqlalchemy.orm import Mapped, mapped_column, validates\n"),
        Edit(MODELS, N_FIRST_NAME, BOTH_READS_OLD),
        Edit(COMMANDS, N_COMMANDS, N_COMMANDS + FILL_COMMAND),
        Edit(COMMANDS, "import click\n", "import click\n\nfrom app.features.jobs import service as jobs"),
        Edit(FEATURES, "JOBS = (", "JOBS = (renaming.fill, "),
        Edit(FEATURES, "\nBLUEPRINTS = (", "\nfrom app.features.accounts import renaming\n\nBLUEPRINTS = ("),
    ],
    revision="expand",
    room="app/features/accounts/renaming.py",
)
SWITCH = Release(
    "N+2: writes both, reads the new",
    [
        Edit(MODELS, BOTH_READS_OLD, BOTH_READS_NEW),
        Edit(PEOPLE, "    _USERS.first_name,\n", '    _USERS.given_name.label("first_name"),\n'),
        Edit(FEATURES, "JOBS = (renaming.fill, ", "JOBS = ("),
    ],
)
LEAVE = Release("N+3: names the new alone", [Edit(MODELS, BOTH_READS_NEW, NEW_ALONE)])
CONTRACT = Release("N+4: the old is gone", revision="contract")

LATER = (EXPAND, SWITCH, LEAVE, CONTRACT)


def make(folder: Path) -> dict[str, Path]:
    """Make the trees of all releases after this one; return where each is. Raise NoLongerApplies."""
    trees: dict[str, Path] = {}
    before = ROOT
    for number, release in enumerate(LATER, 1):
        tree = trees[release.name] = folder / f"release-{number}"
        _copy(before, tree)
        for edit in release.edits:
            edit.apply(tree)
        if release.room:
            shutil.copy(ADDED / Path(release.room).name, tree / release.room)
        if release.revision:
            _add_revision(tree, release.revision)
        before = tree
    return trees


def _copy(source: Path, tree: Path) -> None:
    tree.mkdir()
    for name in ("app", "migrations"):
        shutil.copytree(source / name, tree / name)  # and what was compiled of it, which saves each start a second
    shutil.copy(source / "wsgi.py", tree)


def _add_revision(tree: Path, name: str) -> None:
    versions = tree / "migrations" / "versions"
    before = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    revision = f"{int(before) + 1:04}"
    text = (ADDED / f"{name}.py").read_text().replace("{revision}", revision).replace("{before}", before)
    (versions / f"{revision}_{name}.py").write_text(text)
