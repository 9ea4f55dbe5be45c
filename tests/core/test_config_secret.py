import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from app.core.config import load, secrets_of

pytestmark = pytest.mark.usefixtures("_nothing_is_set")

THREADS = 8


class TestSecretsOf:
    def test_are_those_that_were_set(self, tmp_path: Path) -> None:
        settings = load(env_file=None, var_dir=tmp_path, secret_key="new,old")

        assert secrets_of(settings) == ("new", "old")
        assert list(tmp_path.iterdir()) == []

    def test_are_made_once_and_kept(self, tmp_path: Path) -> None:
        settings = load(env_file=None, var_dir=tmp_path / "made" / "as needed")

        first, second = secrets_of(settings), secrets_of(settings)

        assert first == second == ((tmp_path / "made" / "as needed" / "secret_key").read_text(),)
        assert len(first[0]) >= 48

    def test_differ_between_folders(self, tmp_path: Path) -> None:
        here, there = (load(env_file=None, var_dir=tmp_path / name) for name in ("here", "there"))

        assert secrets_of(here) != secrets_of(there)

    def test_are_readable_by_their_owner_only(self, tmp_path: Path) -> None:
        secrets_of(load(env_file=None, var_dir=tmp_path))

        assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600

    def test_leave_nothing_else_behind(self, tmp_path: Path) -> None:
        settings = load(env_file=None, var_dir=tmp_path)

        secrets_of(settings)
        secrets_of(settings)

        assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]

    @pytest.mark.parametrize("attempt", range(5))
    def test_are_the_same_for_all_that_start_at_once(self, tmp_path: Path, attempt: int) -> None:
        settings = load(env_file=None, var_dir=tmp_path)
        together = Barrier(THREADS)

        def start() -> tuple[str, ...]:
            together.wait(timeout=10)
            return secrets_of(settings)

        with ThreadPoolExecutor(THREADS) as pool:
            futures = [pool.submit(start) for _ in range(THREADS)]
            found = {future.result(timeout=10) for future in futures}

        assert found == {((tmp_path / "secret_key").read_text(),)}
        assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
