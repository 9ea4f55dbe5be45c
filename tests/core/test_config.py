from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.core.config import UnsafeSettings, load
from tests.core.settings import PRODUCTION

pytestmark = pytest.mark.usefixtures("_nothing_is_set")


class TestDefaults:
    def test_are_the_embedded_world(self) -> None:
        settings = load(env_file=None)

        assert settings.database == "sqlite:///var/carboy.db"
        assert settings.redis_url == ""
        assert settings.base_url == "http://127.0.0.1:8000"
        assert not settings.production
        assert not settings.https

    def test_are_those_of_the_contract(self) -> None:
        settings = load(env_file=None)

        assert (settings.access_token_seconds, settings.refresh_token_seconds) == (3600, 30 * 24 * 3600)
        assert (settings.password_hash_memory_kib, settings.password_hash_time_cost) == (19456, 2)
        assert (settings.ratelimit_default, settings.ratelimit_anonymous) == ("600/minute", "300/minute")
        assert (settings.ratelimit_login, settings.ratelimit_register) == ("10/minute", "30/minute")
        assert (settings.count_cap, settings.password_min_length) == (10_000, 8)

    def test_trust_and_allow_nobody(self) -> None:
        settings = load(env_file=None)

        assert (settings.trusted_proxies, settings.proxies, settings.allowed_origins) == ((), (), ())

    def test_know_no_password(self) -> None:
        assert load(env_file=None).secret_key == ()


class TestSources:
    def test_are_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "9000")

        assert load(env_file=None).port == 9000

    def test_are_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text('# a comment\nPORT=9001\nSERVICE_NAME="my accounts"\n', encoding="utf-8")
        monkeypatch.chdir(tmp_path)

        settings = load()

        assert (settings.port, settings.service_name) == (9001, "my accounts")

    def test_need_no_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)

        assert load().port == 8000

    def test_prefer_the_environment_to_the_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = tmp_path / "settings"
        file.write_text("PORT=9001\nTHREADS=3\n")
        monkeypatch.setenv("PORT", "9000")

        settings = load(env_file=str(file))

        assert (settings.port, settings.threads) == (9000, 3)

    def test_take_empty_for_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "")
        monkeypatch.setenv("DATABASE_URL", "")

        settings = load(env_file=None)

        assert (settings.port, settings.database) == (8000, "sqlite:///var/carboy.db")

    def test_may_hold_what_is_not_ours(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = tmp_path / "settings"
        file.write_text("POSTGRES_PASSWORD=theirs\nPORT=9001\n")

        assert load(env_file=str(file)).port == 9001

    def test_are_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(env_file=None)

        monkeypatch.setenv("PORT", "9000")

        assert settings.port == 8000


class TestLists:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            pytest.param("", (), id="nothing"),
            pytest.param("https://a.test", ("https://a.test",), id="one"),
            pytest.param("https://a.test,https://b.test", ("https://a.test", "https://b.test"), id="two"),
            pytest.param(" https://a.test , ,https://b.test, ", ("https://a.test", "https://b.test"), id="spaces"),
        ],
    )
    def test_are_separated_by_commas(
        self, monkeypatch: pytest.MonkeyPatch, written: str, meant: tuple[str, ...]
    ) -> None:
        monkeypatch.setenv("ALLOWED_ORIGINS", written)

        assert load(env_file=None).allowed_origins == meant

    def test_of_proxies_are_networks_or_addresses(self) -> None:
        settings = load(env_file=None, trusted_proxies="10.1.2.3/8, 192.0.2.7, 2001:db8::/32")

        assert settings.proxies == (
            ip_network("10.0.0.0/8"),
            ip_network("192.0.2.7/32"),
            ip_network("2001:db8::/32"),
        )

    def test_of_secrets_begin_with_the_newest(self) -> None:
        assert load(env_file=None, secret_key="new,old").secret_key == ("new", "old")


class TestDatabase:
    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
    def test_is_reached_by_psycopg_3_in_every_spelling(self, scheme: str) -> None:
        settings = load(env_file=None, database_url=f"{scheme}://carboy:secret@db:5432/accounts")

        assert settings.database == "postgresql+psycopg://carboy:secret@db:5432/accounts"

    def test_is_in_the_folder_for_what_is_kept(self, tmp_path: Path) -> None:
        assert load(env_file=None, var_dir=tmp_path).database == f"sqlite:///{tmp_path}/carboy.db"

    def test_can_be_another_file(self) -> None:
        assert load(env_file=None, database_url="sqlite:////srv/accounts.db").database == "sqlite:////srv/accounts.db"

    @pytest.mark.parametrize(("asked", "threads", "got"), [(0, 8, 8), (3, 8, 3), (20, 2, 20), (1, 1, 2)])
    def test_has_a_connection_for_each_thread_unless_told_but_two_to_migrate(
        self, asked: int, threads: int, got: int
    ) -> None:
        assert load(env_file=None, database_pool_size=asked, threads=threads).pool_size == got


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("given", "base"),
        [
            pytest.param({"public_url": "https://accounts.test/"}, "https://accounts.test", id="without the slash"),
            pytest.param({"public_url": "https://test/accounts//"}, "https://test/accounts", id="with a path"),
            pytest.param({"host": "192.0.2.7", "port": 80}, "http://192.0.2.7:80", id="where it listens"),
            pytest.param({"host": "::1"}, "http://[::1]:8000", id="where it listens, in IPv6"),
        ],
    )
    def test_is_where_users_reach_the_service(self, given: dict[str, Any], base: str) -> None:
        assert load(env_file=None, **given).base_url == base

    @pytest.mark.parametrize(("url", "https"), [("https://a.test", True), ("http://a.test", False)])
    def test_decides_whether_users_come_over_https(self, url: str, *, https: bool) -> None:
        assert load(env_file=None, public_url=url).https is https


class TestMigrates:
    @pytest.mark.parametrize(
        ("given", "migrates"),
        [
            pytest.param({}, True, id="development"),
            pytest.param({"migrate_on_start": False}, False, id="development, switched off"),
            pytest.param(PRODUCTION, False, id="production"),
            pytest.param({**PRODUCTION, "migrate_on_start": True}, True, id="production, switched on"),
        ],
    )
    def test_by_itself_in_development_only(self, given: dict[str, Any], *, migrates: bool) -> None:
        assert load(env_file=None, **given).migrates is migrates


class TestSettings:
    def test_are_frozen(self) -> None:
        settings = load(env_file=None)

        with pytest.raises(ValidationError):
            settings.port = 1  # type: ignore[misc]

        assert settings.port == 8000

    @pytest.mark.parametrize("field", ["secret_key", "database_url", "redis_url"])
    def test_show_no_secret(self, field: str) -> None:
        value = {
            "secret_key": "canary-in-the-mine",
            "database_url": "postgresql://u:canary-in-the-mine@db/x",
            "redis_url": "redis://:canary-in-the-mine@cache/0",
        }[field]

        settings = load(env_file=None, **{field: value})

        assert "canary" not in repr(settings)
        assert "canary" not in str(settings)

    def test_that_cannot_be_used_say_so_without_the_value(self) -> None:
        with pytest.raises(UnsafeSettings) as refused:
            load(env_file=None, port="canary", database_url="mysql://u:canary@db/x", redis_url="canary")

        assert "PORT" in str(refused.value)
        assert "canary" not in str(refused.value)
