"""The commands of docs/backups.md, run as printed; those of its chapter Restoring are run by the drill."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.core.age import identities
from app.core.keyring import Keyring
from app.features.backups import service as backups
from app.features.privacy import service as privacy
from app.infra import db
from tests.api import a_user
from tests.features.backups.instances import SECRET, Instance, instance, printed
from tests.world import SERVICES, World


@dataclass
class ByHand:
    """An instance that holds what was in a backup; its user was erased after that."""

    into: Instance
    folder: Path
    username: str


@pytest.fixture
def by_hand(world: World, tmp_path: Path) -> Iterator[ByHand]:
    folder = tmp_path / "backups"
    stored = tmp_path / "old" / "files" / "ab" / "cd"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"a stored file")
    old = {"database_url": world.settings.database, "var_dir": tmp_path / "old"}
    world.with_settings(**old, backup_dir=folder, secret_key=(SECRET,))
    person = a_user()
    made = backups.create()
    with db.unit_of_work():
        privacy.erase(person.id)
    with instance(tmp_path / "new", world.settings.database_url) as new:
        new.destroy(anew=False)
        (new.var / "key.txt").write_text(backups.key())
        server = make_url(new.server or "postgresql://nobody@nowhere:1")
        new.bash(
            "\n".join(map(printed, ("age --decrypt", "pg_restore" if SERVICES else "rm -f", "cp -R"))),
            BACKUP=str(folder / made.name),
            DB=new.name,
            PGHOST=server.host or "",
            PGPORT=str(server.port or ""),
            PGUSER=server.username or "",
            PGPASSWORD=str(server.password or ""),
        )
        yield ByHand(new, folder, person.username)


def test_a_backup_is_restored_by_hand(by_hand: ByHand) -> None:
    assert by_hand.into.people() == {by_hand.username}
    assert (by_hand.into.var / "files" / "ab" / "cd").read_bytes() == b"a stored file"


@pytest.mark.slow
@pytest.mark.skipif(not SERVICES, reason="four processes: once is enough, and this world has time")
def test_what_was_restored_by_hand_is_finished(by_hand: ByHand) -> None:
    output = by_hand.into.bash(printed("flask backup finish"), BACKUP_DIR=str(by_hand.folder))

    assert "1 people who had been erased since were erased again" in output
    assert "unbroken" in output
    assert by_hand.username not in by_hand.into.people()


def test_the_key_comes_from_secret_key_with_python_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", printed("import hmac", language="python")],
        env={**os.environ, "SECRET_KEY": f"{SECRET},another secret of thirty-two characters"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == identities((), Keyring((SECRET,)))[0]
