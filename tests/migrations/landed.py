"""Which revisions databases have already, and how they read: such a one is never edited, another comes after it."""

import hashlib
from pathlib import Path

NAME = "landed.txt"


def note(folder: Path) -> None:
    """Write down all revisions of a folder of migrations."""
    lines = [f"{digest}  {name}\n" for name, digest in _read(folder).items()]
    (folder / NAME).write_text("".join(lines))


def changed(folder: Path) -> list[str]:
    """Return a sentence on each revision that was written down, and is gone or reads otherwise, or is not yet."""
    lines = (folder / NAME).read_text().splitlines()
    kept = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    now = _read(folder)
    return [
        *(f"{name}: landed: databases have it, and it is gone." for name in kept if name not in now),
        *(
            f"{name}: landed: databases have it as it was; write another revision."
            for name in kept
            if name in now and now[name] != kept[name]
        ),
        *(f"{name}: landed: run 'python -m tests.migrations.gate --land'." for name in now if name not in kept),
    ]


def _read(folder: Path) -> dict[str, str]:
    files = sorted((folder / "versions").glob("*.py"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
