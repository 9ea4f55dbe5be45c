from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import NoReturn

import pytest
from sqlalchemy import select

from app.core.errors import Unavailable
from app.features.accounts.models import User
from app.features.idempotency import service as idempotency
from app.features.idempotency.models import KeptAnswer
from app.features.idempotency.service import KeptAnswers
from app.infra import db
from app.web.idempotency import Answer
from tests.api import Answer as Sent
from tests.api import Api, a_user, an_admin
from tests.conftest import Clock
from tests.world import World

ANN = {"username": "ann", "email": "ann@people.test"}


def _kept() -> list[KeptAnswer]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(KeptAnswer)))


def _anns() -> int:
    with db.unit_of_work(writes=False):
        return len(db.session().scalars(select(User.id).where(User.username_key == "ann")).all())


def _create(client: Api, key: str, body: dict[str, str] | None = None) -> Sent:
    return client.post("/api/v1/users", body or ANN, headers={"Idempotency-Key": key})


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


class TestIdempotencyKey:
    def test_gives_the_same_answer_to_the_same_request(self, admin: Api) -> None:
        first = _create(admin, '"8e03978e-40d5"')

        second = _create(admin, '"8e03978e-40d5"')

        assert first.status_code == second.status_code == 201
        assert second.data == first.data
        assert second.headers["Location"] == first.headers["Location"]
        assert second.headers["ETag"] == first.headers["ETag"]
        assert second.headers["Idempotency-Replayed"] == "true"
        assert _anns() == 1

    def test_takes_a_key_with_or_without_quotes_for_the_same(self, admin: Api) -> None:
        _create(admin, '"one"')

        assert _create(admin, "one").headers["Idempotency-Replayed"] == "true"

    def test_refuses_another_body_under_the_same_key(self, admin: Api) -> None:
        _create(admin, "one")

        refused = _create(admin, "one", {"username": "bea", "email": "bea@people.test"})

        assert (refused.status_code, refused.code) == (422, "IDEMPOTENCY_KEY_REUSED")

    def test_refuses_another_path_under_the_same_key(self, admin: Api) -> None:
        _create(admin, "one")

        refused = admin.post("/api/v1/roles", {"name": "made"}, headers={"Idempotency-Key": "one"})

        assert (refused.status_code, refused.code) == (422, "IDEMPOTENCY_KEY_REUSED")

    def test_keeps_the_keys_of_different_callers_apart(self, api: Api, admin: Api) -> None:
        _create(admin, "one")

        other = _create(api.as_(an_admin()), "one", {"username": "bea", "email": "bea@people.test"})

        assert other.status_code == 201

    @pytest.mark.parametrize(
        "key", ["", '""', "a" * 256, "a b", "ä"], ids=["empty", "quotes", "long", "space", "foreign"]
    )
    def test_refuses_a_key_that_is_none(self, admin: Api, key: str) -> None:
        refused = _create(admin, key)

        assert (refused.status_code, refused.code) == (400, "INVALID_IDEMPOTENCY_KEY")
        assert _anns() == 0

    def test_answers_a_repetition_while_the_first_runs_with_409(self, admin: Api) -> None:
        barrier = Barrier(8)

        def send(_: int) -> int:
            barrier.wait(10)
            return _create(admin, "one").status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(send, range(8)))

        assert 201 in statuses
        assert set(statuses) <= {201, 409}
        assert _anns() == 1

    def test_forgets_a_request_that_failed(self, admin: Api) -> None:
        taken = a_user(username="ann")
        assert _create(admin, "one").code in {"USERNAME_TAKEN", "EMAIL_TAKEN"}
        admin.delete(f"/api/v1/users/{taken.id}")

        again = _create(admin, "one")

        assert again.status_code == 201

    def test_forgets_after_a_day(self, api: Api, clock: Clock) -> None:
        body = {**ANN, "password": "Correct-Horse-7-Battery"}
        api.post("/auth/register", body, headers={"Idempotency-Key": "one"})
        clock.advance(hours=23, minutes=59)
        assert api.post("/auth/register", body, headers={"Idempotency-Key": "one"}).status_code == 201
        clock.advance(minutes=1)

        later = api.post("/auth/register", body, headers={"Idempotency-Key": "one"})

        assert (later.status_code, later.code) == (409, "EMAIL_TAKEN")

    def test_takes_over_from_a_process_that_died(self, admin: Api, clock: Clock) -> None:
        _create(admin, "one")
        with db.unit_of_work():
            row = db.session().scalars(select(KeptAnswer)).one()
            row.answer = None
        with db.unit_of_work():
            db.session().delete(db.session().scalars(select(User).where(User.username_key == "ann")).one())
        assert _create(admin, "one").code == "IDEMPOTENCY_KEY_IN_USE"
        clock.advance(seconds=61)

        taken_over = _create(admin, "one")

        assert taken_over.status_code == 201
        assert "Idempotency-Replayed" not in taken_over.headers

    def test_stores_neither_keys_nor_answers_in_clear(self, admin: Api) -> None:
        _create(admin, "a-telling-key")

        (row,) = _kept()

        assert "a-telling-key" not in row.key
        assert row.answer is not None
        assert b"ann@people.test" not in row.answer

    def test_is_not_looked_at_where_answers_hold_tokens(self, api: Api) -> None:
        person = a_user()
        body = {"username": person.username, "password": person.password}

        answers = [api.post("/auth/login", body, headers={"Idempotency-Key": "one"}) for _ in range(2)]

        assert answers[0].result["access_token"] != answers[1].result["access_token"]
        assert _kept() == []

    def test_holds_for_registrations_of_an_address(self, api: Api) -> None:
        body = {**ANN, "password": "Correct-Horse-7-Battery"}

        answers = [api.post("/auth/register", body, headers={"Idempotency-Key": "one"}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].data == answers[1].data
        assert api.at("10.0.0.9").post("/auth/register", body, headers={"Idempotency-Key": "one"}).status_code == 409


class TestKeep:
    def test_undoes_the_effect_of_a_request_that_was_taken_over(self, admin: Api) -> None:
        _create(admin, "one")
        (row,) = _kept()
        store = KeptAnswers(_Names(row.key))  # type: ignore[arg-type]

        with pytest.raises(Exception, match="still running"), db.unit_of_work():
            store.keep("one", Answer(201, {}, b""))


class TestRelease:
    @pytest.fixture
    def owed(self, admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        """A claim whose request failed with the database."""
        _create(admin, "one")
        with db.unit_of_work():
            row = db.session().scalars(select(KeptAnswer)).one()
            row.answer = None
        store = KeptAnswers(_Names(row.key))  # type: ignore[arg-type]
        with monkeypatch.context() as away:
            away.setattr(db, "apart", _unavailable)
            store.release("one")
            idempotency.release_owed()

    @pytest.mark.usefixtures("owed")
    def test_is_made_up_for_once_the_database_is_back(self) -> None:
        assert len(_kept()) == 1

        idempotency.release_owed()

        assert _kept() == []

    @pytest.mark.usefixtures("owed")
    def test_that_comes_late_leaves_the_claim_of_another_request_alone(self) -> None:
        with db.unit_of_work():
            row = db.session().scalars(select(KeptAnswer)).one()
            row.claimed_at += timedelta(minutes=2)

        idempotency.release_owed()

        assert len(_kept()) == 1


class TestClaim:
    def test_whose_answer_was_lost_is_given_up(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        store = KeptAnswers(_Names("a name"))  # type: ignore[arg-type]
        with monkeypatch.context() as lossy:
            lossy.setattr(KeptAnswers, "_claimed", _losing(KeptAnswers._claimed))
            with pytest.raises(Unavailable):
                store.claim("one", "request")
        assert len(_kept()) == 1

        idempotency.release_owed()

        assert _kept() == []


def _losing(work: Callable[..., object]) -> Callable[..., NoReturn]:
    def lose(*given: object) -> NoReturn:
        work(*given)
        raise Unavailable

    return lose


def _unavailable() -> NoReturn:
    raise Unavailable


class _Names:
    def __init__(self, name: str) -> None:
        self._name = name

    def fingerprint(self, _purpose: str, _value: str) -> str:
        return self._name

    def encrypt(self, _purpose: str, data: bytes) -> bytes:
        return data
