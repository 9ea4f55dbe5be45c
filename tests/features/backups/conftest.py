from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """BACKUP_DIR, empty."""
    world.with_settings(backup_dir=tmp_path / "backups", backup_every_hours=24)
    return tmp_path / "backups"
