"""Rewriting encrypted values under the newest of three secrets, until the oldest can be taken away."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import Column, LargeBinary, select, type_coerce, update

from app.core.keyring import Keyring, Undecryptable
from app.features.factors.models import Totp
from app.features.jobs import service as jobs
from app.features.mail import service as mail
from app.features.privacy import service as privacy
from app.infra import db, resealing
from app.infra.columns import Model
from app.infra.resealing import Tally, purpose_of, reseal, survey
from tests.api import Api, Person, a_user, an_admin
from tests.features.auth.together import at_once
from tests.features.between import coming_between
from tests.world import World

FIRST = "a key of the tests, thirty-two characters and more"
SECOND, THIRD = (f"{word} secret of the tests of thirty-two characters" for word in ("another", "a third"))

TABLES = {"jobs", "signing_keys", "totp_secrets", "mail_outbox", "idempotency_keys"}


def sealed_values() -> dict[str, list[bytes]]:
    """Return what stands in each encrypted column, as it is stored."""
    columns = [column for table in Model.metadata.sorted_tables for column in table.c if purpose_of(column)]
    with db.unit_of_work(writes=False):
        return {f"{column.table.name}.{column.name}": _raw(column) for column in columns}


def _raw(column: Column[Any]) -> list[bytes]:
    values = select(type_coerce(column, LargeBinary)).where(column.is_not(None))
    return list(db.session().scalars(values.order_by(*column.table.primary_key)))


def totp_secrets() -> dict[int, bytes]:
    with db.unit_of_work(writes=False):
        return {row.user_id: row.secret for row in db.session().execute(select(Totp.user_id, Totp.secret))}


@pytest.fixture
def people(world: World) -> list[Person]:
    """Seal something in every encrypted column, under the first secret."""
    admin = Api(world.app).as_(an_admin())
    people = [a_user() for _ in range(5)]
    with db.unit_of_work():
        for person in people:
            db.session().add(Totp(user_id=person.id, secret=b"secret of " + person.username.encode()))
            mail.send("test", to=person.email, user_id=person.id)
            jobs.enqueue(privacy.ERASE, {"user_id": person.id})
    for number in range(3):
        made = admin.post("/api/v1/roles", {"name": f"role-{number}"}, headers={"Idempotency-Key": f"key-{number}"})
        assert made.status_code == 201
    return people


@pytest.fixture
def under(world: World) -> Callable[..., Api]:
    """Start again with these secrets, newest first."""
    return lambda *secrets: Api(world.with_settings(secret_key=secrets))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "_BATCH", 2)


class TestReseal:
    def test_covers_every_encrypted_column(self, people: list[Person]) -> None:
        found = sealed_values()

        assert {name.partition(".")[0] for name in found} == TABLES
        assert all(found.values())

    def test_rewrites_what_older_secrets_sealed_so_that_they_can_be_taken_away(
        self, people: list[Person], under: Callable[..., Api], small_batches: None
    ) -> None:
        under(SECOND, FIRST)
        with db.unit_of_work():
            db.session().execute(update(Totp).where(Totp.user_id == people[0].id).values(secret=b"of the second"))
        under(THIRD, SECOND, FIRST)

        found = reseal()
        api = under(THIRD)

        assert (found.values, found.older, found.lost) == (20, 20, 0)
        assert totp_secrets()[people[0].id] == b"of the second"
        assert totp_secrets()[people[1].id] == b"secret of " + people[1].username.encode()
        assert api.sign_in(people[0]).status_code == 200
        assert survey() == Tally(20, 0, 0)

    def test_keeps_everybody_signed_in(self, people: list[Person], world: World, under: Callable[..., Api]) -> None:
        Api(world.app).sign_in(people[0])
        under(SECOND, FIRST)
        reseal()

        api = under(SECOND)

        assert api.as_(people[0]).get("/auth/me").status_code == 200
        assert api.post("/auth/refresh", {"refresh_token": people[0].refresh_token}).status_code == 200

    def test_changes_nothing_that_is_new_already(self, people: list[Person], world: World) -> None:
        before = sealed_values()

        assert reseal() == Tally(20, 0, 0)

        assert sealed_values() == before

    def test_changes_nothing_that_no_secret_opens(self, people: list[Person], under: Callable[..., Api]) -> None:
        before = sealed_values()
        under(SECOND)

        assert reseal() == Tally(20, 0, 20)

        assert sealed_values() == before

    def test_can_be_interrupted_and_repeated(
        self, people: list[Person], under: Callable[..., Api], small_batches: None
    ) -> None:
        under(SECOND, FIRST)
        seen: list[int] = []

        def dies(values: int) -> None:
            seen.append(values)
            if len(seen) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            reseal(advance=dies)
        between = survey()
        again = reseal()

        assert 0 < between.older < between.values
        assert again.older == between.older
        assert survey().older == 0

    def test_may_be_done_by_two_at_once(
        self, people: list[Person], under: Callable[..., Api], small_batches: None
    ) -> None:
        under(SECOND, FIRST)

        at_once(2, lambda _: reseal())

        assert survey() == Tally(20, 0, 0)
        assert len(totp_secrets()) == 5

    def test_does_not_overwrite_what_was_changed_meanwhile(
        self, people: list[Person], under: Callable[..., Api]
    ) -> None:
        under(SECOND, FIRST)

        def somebody_enrols_anew() -> None:
            with db.unit_of_work():
                db.session().execute(update(Totp).where(Totp.user_id == people[0].id).values(secret=b"new"))

        with coming_between("after_cursor_execute", ("FROM totp_secrets",), somebody_enrols_anew) as changed:
            reseal()

        assert changed.is_set()
        assert totp_secrets()[people[0].id] == b"new"
        assert survey().older == 0

    def test_is_too_late_once_the_secret_was_taken_away(self, people: list[Person], under: Callable[..., Api]) -> None:
        under(SECOND)

        with pytest.raises(Undecryptable):
            totp_secrets()


class TestCommand:
    @pytest.fixture
    def run(self, under: Callable[..., Api]) -> Callable[..., tuple[int, str]]:
        def run(*secrets: str, words: tuple[str, ...] = ("keys", "reencrypt")) -> tuple[int, str]:
            result = FlaskCliRunner(under(*secrets).app).invoke(args=words)
            return result.exit_code, result.output

        return run

    def test_says_what_it_did(self, people: list[Person], run: Callable[..., tuple[int, str]]) -> None:
        code, output = run(SECOND, FIRST)

        assert code == 0
        assert "20 encrypted values, 20 of them rewritten under the newest secret.\n" in output
        assert "5 values looked at ..." in output

    def test_fails_in_words_if_something_is_lost(
        self, people: list[Person], run: Callable[..., tuple[int, str]]
    ) -> None:
        code, output = run(SECOND)

        assert code == 1
        assert "20 values open with no secret of SECRET_KEY. They were left alone." in output

    @pytest.mark.parametrize(
        ("secrets", "line"),
        [
            ((FIRST,), "✓ encrypted values all open with the newest secret of SECRET_KEY"),
            (
                (SECOND, FIRST),
                "! 20 encrypted values still need an older secret of SECRET_KEY: run 'flask keys reencrypt'",
            ),
            (
                (SECOND,),
                "! 20 encrypted values open with no secret of SECRET_KEY: put the one that sealed them at its end",
            ),
        ],
        ids=["none", "older", "lost"],
    )
    def test_is_asked_for_by_the_doctor(
        self, people: list[Person], run: Callable[..., tuple[int, str]], secrets: tuple[str, ...], line: str
    ) -> None:
        code, output = run(*secrets, words=("doctor",))

        assert code == 0
        assert line in output.splitlines()


class TestAge:
    @pytest.mark.parametrize(("secrets", "age"), [((FIRST,), 0), ((SECOND, FIRST), 1), ((SECOND, THIRD), None)])
    def test_is_the_place_of_the_secret_that_opens(self, secrets: tuple[str, ...], age: int | None) -> None:
        sealed = Keyring([FIRST]).encrypt("purpose", b"value")

        assert Keyring(secrets).age("purpose", sealed) == age

    def test_is_none_of_another_purpose_or_of_garbage(self) -> None:
        keyring = Keyring([FIRST])

        assert keyring.age("other", keyring.encrypt("purpose", b"value")) is None
        assert keyring.age("purpose", b"") is None
