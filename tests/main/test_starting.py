"""What SPEC calls the refusals at start, each with the words that say what to do."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from app.features.auth import service as auth
from app.infra import db, migrations
from app.main.starting import RESERVED_CONNECTIONS, RefusesToStart
from tests.api import Api
from tests.live import free_port
from tests.main.conftest import SECRET, Start
from tests.migrations.databases import longer_history
from tests.world import SERVICES

MISSING = "SECRET_KEY is missing. Set it to the output of: python3 -c"
WEAK = "SECRET_KEY is shorter than 32 characters or a placeholder. Use python3 -c"
EVERYWHERE = "TRUSTED_PROXIES trusts every address, so anyone may forge theirs. Name your proxies' networks."

REFUSALS = [
    pytest.param({"SECRET_KEY": ""}, MISSING, id="no secret"),
    pytest.param({"SECRET_KEY": "8Qm2-vLx5_kTz1wRb7nCq4eYh9sJd3u"}, WEAK, id="a short secret"),
    pytest.param({"SECRET_KEY": "changeme-changeme-changeme-changeme-0123456789"}, WEAK, id="a placeholder"),
    pytest.param({"SECRET_KEY": "a" * 64}, WEAK, id="a secret of one letter"),
    pytest.param({"PUBLIC_URL": ""}, "PUBLIC_URL is missing. Set it to where users reach the service", id="no URL"),
    pytest.param({"PUBLIC_URL": "http://a.test"}, "PUBLIC_URL is not https. Put TLS in front", id="http"),
    pytest.param({"ALLOWED_ORIGINS": "*"}, "ALLOWED_ORIGINS has '*'. List the exact origins", id="any origin"),
    pytest.param({"ALLOWED_ORIGINS": "https://a.test, *"}, "ALLOWED_ORIGINS has '*'", id="any origin among others"),
    pytest.param({"DEBUG": "1"}, "DEBUG is on. Unset it", id="DEBUG"),
    pytest.param({"FLASK_DEBUG": "1"}, "FLASK_DEBUG is on. Unset it", id="FLASK_DEBUG"),
    pytest.param({"FLASK_DEBUG": "yes"}, "FLASK_DEBUG is on. Unset it", id="FLASK_DEBUG in words"),
    pytest.param({"TRUSTED_PROXIES": "0.0.0.0/0"}, EVERYWHERE, id="every IPv4"),
    pytest.param({"TRUSTED_PROXIES": "::/0"}, EVERYWHERE, id="every IPv6"),
    pytest.param({"TRUSTED_PROXIES": "10.0.0.0/8,0.0.0.0/0"}, EVERYWHERE, id="every IPv4 among others"),
    pytest.param({"TRUSTED_PROXIES": "0.0.0.0/0.0.0.0"}, EVERYWHERE, id="every IPv4 by its mask"),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(("changed", "words"), REFUSALS)
    def test_say_what_to_do(self, configure: Start, changed: dict[str, str], words: str) -> None:
        with pytest.raises(RefusesToStart) as refusal:
            configure(**changed)

        assert str(refusal.value).startswith("Carboy refuses to start:\n  - ")
        assert words in str(refusal.value)

    def test_tell_everything_at_once(self, configure: Start) -> None:
        with pytest.raises(RefusesToStart) as refusal:
            configure(SECRET_KEY="", PUBLIC_URL="", DEBUG="1")

        assert str(refusal.value).count("\n  - ") == 3

    def test_repeat_no_secret(self, configure: Start) -> None:
        with pytest.raises(RefusesToStart) as refusal:
            configure(SECRET_KEY="a-short-secret")

        assert "a-short-secret" not in str(refusal.value)

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"PUBLIC_URL": "http://a.test", "ALLOW_HTTP": "1"}, id="http that is meant"),
            pytest.param({"ALLOWED_ORIGINS": "https://a.test"}, id="an exact origin"),
            pytest.param({"TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8"}, id="networks of proxies"),
            pytest.param({"FLASK_DEBUG": "0"}, id="no debugging"),
            pytest.param({"SECRET_KEY": f"{SECRET},{SECRET[::-1]}"}, id="two secrets"),
        ],
    )
    def test_do_not_hit_what_is_safe(self, start: Start, changed: dict[str, str]) -> None:
        assert start(**changed).name == "carboy"


class TestDatabase:
    @pytest.mark.parametrize("environment", ["development", "production"])
    def test_that_does_not_answer_is_named(self, configure: Start, environment: str) -> None:
        url = f"postgresql://carboy:a-secret-word@127.0.0.1:{free_port()}/carboy"

        with pytest.raises(RefusesToStart) as refusal:
            configure(ENVIRONMENT=environment, DATABASE_URL=url)

        assert "The database does not answer. Check DATABASE_URL, and that the server runs." in str(refusal.value)
        assert "a-secret-word" not in str(refusal.value)

    def test_that_cannot_be_opened_is_named(self, configure: Start, tmp_path: Path) -> None:
        with pytest.raises(RefusesToStart, match="The database does not answer"):
            configure(DATABASE_URL=f"sqlite:///{tmp_path}")

    def test_that_is_behind_is_not_served_in_production(self, start: Start) -> None:
        with pytest.raises(RefusesToStart) as refusal:
            start(MIGRATE_ON_START="")

        assert "Migrations are pending. Run 'flask db upgrade', or set MIGRATE_ON_START=1." in str(refusal.value)
        assert migrations.current() is None

    def test_is_migrated_in_development_without_being_asked(self, start: Start) -> None:
        start(ENVIRONMENT="development", MIGRATE_ON_START="")

        assert migrations.current() == migrations.head()

    def test_whose_migration_fails_is_named_and_left_where_it_was(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        history = longer_history(tmp_path, more='op.execute("INSERT INTO nowhere VALUES (1)")')
        monkeypatch.setattr(migrations, "FOLDER", history.folder)
        before = history.second if SERVICES else None  # SQLite has all of them in one transaction

        with pytest.raises(RefusesToStart, match=rf"The migration after {before or 'nothing'} failed \(\w+\)"):
            start(MIGRATE_ON_START="1")

        assert migrations.current() == before

    def test_whose_table_is_held_is_not_said_to_be_silent(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        def blocked() -> None:
            raise migrations.Blocked

        monkeypatch.setattr(migrations, "upgrade", blocked)

        with pytest.raises(RefusesToStart, match="pg_stat_activity"):
            start(MIGRATE_ON_START="1")

    def test_is_left_alone_in_development_when_that_is_asked(self, start: Start) -> None:
        with pytest.raises(RefusesToStart, match="Migrations are pending"):
            start(ENVIRONMENT="development", MIGRATE_ON_START="0")

        assert migrations.current() is None

    def test_that_is_ahead_of_the_code_is_served(self, start: Start) -> None:
        start()
        with db.engine().begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        assert start(MIGRATE_ON_START="0").name == "carboy"

    def test_gets_the_rows_that_nothing_works_without(self, start: Start) -> None:
        app = start()

        with db.engine().connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM roles")).scalar_one() == 2
        assert len(auth.public_keys()) == 2
        assert Api(app).post("/auth/login", {"username": "nobody", "password": "Wrong-1234"}).status_code == 401

    def test_gets_them_once(self, start: Start) -> None:
        start()
        before = auth.public_keys()

        start()

        with db.engine().connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM roles")).scalar_one() == 2
        assert auth.public_keys() == before


class TestConnectionBudget:
    @pytest.fixture
    def most(self, empty_url: str) -> int:
        with psycopg.connect(empty_url.replace("+psycopg", "")) as connection:
            (found,) = connection.execute("SHOW max_connections").fetchone() or (0,)
        return int(found)

    @pytest.mark.skipif(not SERVICES, reason="SQLite has no bound on connections")
    def test_refuses_more_than_the_server_allows(self, start: Start, most: int) -> None:
        too_many = most - RESERVED_CONNECTIONS + 1

        with pytest.raises(RefusesToStart) as refusal:
            start(DATABASE_POOL_SIZE=str(too_many))

        assert f"is {too_many} connections, and PostgreSQL allows {most}" in str(refusal.value)
        assert "Lower them, raise max_connections, or put PgBouncer between." in str(refusal.value)

    @pytest.mark.skipif(not SERVICES, reason="SQLite has no bound on connections")
    def test_counts_every_worker_of_every_instance(self, start: Start, most: int) -> None:
        with pytest.raises(RefusesToStart, match=f"is {most * 4} connections"):
            start(WORKERS="2", REPLICAS="2", DATABASE_POOL_SIZE=str(most))

    @pytest.mark.skipif(not SERVICES, reason="SQLite has no bound on connections")
    @pytest.mark.parametrize(
        ("others", "count"),
        [
            pytest.param({"CELERY_BROKER_URL": "redis://127.0.0.1:1/0", "CELERY_PROCESSES": "3"}, 6, id="Celery"),
            pytest.param({"METRICS_PORT": "9100", "REPLICAS": "1"}, 1, id="metrics"),
        ],
    )
    def test_counts_what_works_beside_the_workers(
        self, start: Start, most: int, others: dict[str, str], count: int
    ) -> None:
        fits = most - RESERVED_CONNECTIONS - count

        assert start(DATABASE_POOL_SIZE=str(fits), **others).name == "carboy"
        with pytest.raises(RefusesToStart, match=rf"\(and {count} of Celery and metrics\)"):
            start(DATABASE_POOL_SIZE=str(fits + 1), **others)

    @pytest.mark.skipif(not SERVICES, reason="SQLite has no bound on connections")
    def test_lets_through_what_just_fits(self, start: Start, most: int) -> None:
        assert start(DATABASE_POOL_SIZE=str(most - RESERVED_CONNECTIONS)).name == "carboy"

    @pytest.mark.skipif(not SERVICES, reason="SQLite has no replicas")
    def test_counts_the_connection_by_which_each_worker_watches_a_replica(self, start: Start, most: int) -> None:
        with pytest.raises(RefusesToStart, match=rf"\(DATABASE_POOL_SIZE \+ 1\) is {most * 2 + 2} connections"):
            start(WORKERS="2", DATABASE_POOL_SIZE=str(most), DATABASE_REPLICA_URL="postgresql://127.0.0.1:1/none")
