"""Who left long enough ago is erased: their number stays, and the audit trail stays whole."""

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from app.features.accounts.models import User
from app.features.audit import service as audit
from app.features.jobs import service as jobs
from app.features.mail import service as mail
from app.features.privacy import service as privacy
from app.features.privacy import tasks
from app.infra import db, personal
from tests.api import Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited, set_user
from tests.features.auth.together import at_once
from tests.features.privacy.whole import NEEDLES, a_person_with_everything, holders_of
from tests.world import World

pytestmark = pytest.mark.usefixtures("world")


def user(person: Person) -> User:
    with db.unit_of_work(writes=False):
        return db.session().scalars(select(User).where(User.id == person.id)).one()


def delete(api: Api, person: Person) -> None:
    assert api.as_(an_admin()).delete(f"/api/v1/users/{person.id}").status_code == 204


def erase_everybody_due() -> None:
    """Let the timetable ask for jobs, and do them."""
    tasks.erase_due.run()
    jobs.work()


def fault() -> str | None:
    with db.unit_of_work(writes=False):
        return audit.verify().fault


class TestCanary:
    def test_is_planted_wherever_a_person_is_known(self) -> None:
        a_person_with_everything()

        marked = {column.table.name for column in personal.columns()}
        assert holders_of(*NEEDLES) == marked - {"audit_events", "idempotency_keys"}

    def test_is_found_nowhere_once_its_person_is_erased(self, clock: Clock) -> None:
        person = a_person_with_everything()
        set_user(person, deleted_at=clock.at)
        clock.advance(days=30)

        erase_everybody_due()

        assert holders_of(*NEEDLES) == set()
        assert holders_of(person.email) == set()
        assert fault() is None

    def test_of_somebody_else_stays(self, clock: Clock) -> None:
        gone, other = a_user(), a_person_with_everything()
        before = holders_of(*NEEDLES)
        set_user(gone, deleted_at=clock.at)
        clock.advance(days=30)

        erase_everybody_due()

        assert holders_of(*NEEDLES) == before
        assert user(other).erased_at is None


class TestErased:
    @pytest.fixture
    def gone(self, clock: Clock) -> Person:
        person = a_user(first_name="Ada", last_name="Lovelace")
        set_user(person, deleted_at=clock.at)
        clock.advance(days=30)
        erase_everybody_due()
        return person

    def test_is_a_number_and_nothing_else(self, gone: Person, clock: Clock) -> None:
        row = user(gone)

        assert (row.username, row.username_key) == (f"erased-{gone.id}", f"erased-{gone.id}")
        assert (row.email, row.email_key, row.first_name, row.last_name, row.search_text) == ("", "", "", "", "")
        assert (row.password_hash, row.locale, row.email_verified_at) == (None, None, None)
        assert (row.is_active, row.mfa_enabled, row.erased_at) == (False, False, clock.at)

    def test_is_recorded(self, gone: Person) -> None:
        (event,) = audited("user_erased")

        assert (event.target.type, event.target.id) == ("user", str(gone.id))  # type: ignore[union-attr]  # there is one
        assert event.actor is not None

    def test_cannot_be_restored(self, gone: Person, api: Api) -> None:
        answer = api.as_(an_admin()).post(f"/api/v1/users/{gone.id}/restore")

        assert answer.status_code == 404
        assert user(gone).deleted_at is not None

    def test_is_still_listed_for_those_who_see_deleted_users(self, gone: Person, api: Api) -> None:
        listed = api.as_(an_admin()).get("/api/v1/users?deleted=true").result

        assert [(one["id"], one["username"], one["email"], one["roles"]) for one in listed] == [
            (gone.id, f"erased-{gone.id}", "", [])
        ]

    def test_is_not_erased_again(self, gone: Person) -> None:
        version = user(gone).version

        erase_everybody_due()

        assert user(gone).version == version
        assert len(audited("user_erased")) == 1


class TestPeriod:
    def test_ends_after_as_many_days_as_are_set(self, clock: Clock, api: Api, world: World) -> None:
        api = Api(world.with_settings(erase_after_days=7))
        person = a_user()
        delete(api, person)
        clock.advance(days=7, seconds=-1)

        early, email = privacy.erase_due(), user(person).email
        clock.advance(seconds=1)

        assert (early, email) == (0, person.email)
        assert privacy.erase_due() == 1

    def test_ends_for_whom_an_administrator_deleted_as_well(self, clock: Clock, api: Api) -> None:
        person = a_user()
        delete(api, person)
        clock.advance(days=30)

        assert privacy.erase_due() == 1

    def test_leaves_the_living_and_the_restored_alone(self, clock: Clock, api: Api) -> None:
        living, restored = a_user(), a_user()
        delete(api, restored)
        clock.advance(days=29)
        admin = api.as_(an_admin())
        assert admin.post(f"/api/v1/users/{restored.id}/restore").status_code == 200
        clock.advance(days=300)

        assert privacy.erase_due() == 0
        assert (user(living).erased_at, user(restored).erased_at) == (None, None)

    def test_ends_for_more_people_than_fit_one_batch(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.features.accounts.personal._BATCH", 2)
        for _ in range(5):
            set_user(a_user(), deleted_at=clock.at)
        clock.advance(days=30)

        assert privacy.erase_due() == 5


class TestInterruption:
    def test_leaves_everybody_whole_or_gone(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = a_person_with_everything(), a_user()
        for person in (first, second):
            set_user(person, deleted_at=clock.at)
        clock.advance(days=30)

        def dies(user_id: int) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as broken:
            broken.setattr(mail, "erase", dies)
            with pytest.raises(KeyboardInterrupt):
                privacy.erase_due()
        whole = holders_of(*NEEDLES)

        marked = {column.table.name for column in personal.columns()}
        assert whole == marked - {"audit_events", "idempotency_keys"}
        assert privacy.erase_due() == 2
        assert holders_of(*NEEDLES) == set()

    def test_by_another_who_does_the_same_erases_each_once(self, clock: Clock) -> None:
        for _ in range(4):
            set_user(a_user(), deleted_at=clock.at)
        clock.advance(days=30)

        erased = at_once(3, lambda _: privacy.erase_due())

        assert sum(erased) == 4
        assert len(audited("user_erased")) == 4

    def test_by_a_restoration_leaves_nobody_half_erased(self, clock: Clock, api: Api) -> None:
        person = a_user()
        delete(api, person)
        clock.advance(days=30)
        admin = api.as_(an_admin())
        acts = (privacy.erase_due, lambda: admin.post(f"/api/v1/users/{person.id}/restore").status_code)

        erased, status = at_once(2, lambda number: acts[number]())

        assert (erased, status) in {(1, 404), (0, 200)}
        assert (user(person).email == "") is (erased == 1)


class TestCommand:
    @pytest.fixture
    def runner(self, world: World) -> FlaskCliRunner:
        return world.app.test_cli_runner()

    def test_erases_at_once_whom_the_operator_names(self, runner: FlaskCliRunner) -> None:
        person = a_person_with_everything()
        set_user(person, username_key="canary-person")

        run = runner.invoke(args=["privacy", "erase", "--user", "canary-person"], input="y\n")

        assert run.exit_code == 0, run.output
        assert f"User {person.id} is erased." in run.output
        assert holders_of(*NEEDLES) == set()
        assert [event.actor.type for event in audited("user_erased") if event.actor] == ["operator"]

    def test_erases_nobody_unless_the_operator_means_it(self, runner: FlaskCliRunner) -> None:
        person = a_user()

        run = runner.invoke(args=["privacy", "erase", "--user", person.username], input="n\n")

        assert run.exit_code == 1
        assert user(person).erased_at is None

    def test_asks_nothing_when_told_so_and_takes_a_number(self, runner: FlaskCliRunner, clock: Clock) -> None:
        person = a_user()
        set_user(person, deleted_at=clock.at)

        run = runner.invoke(args=["privacy", "erase", "--user", str(person.id), "--yes"])
        again = runner.invoke(args=["privacy", "erase", "--user", str(person.id), "--yes"])

        assert run.output == f"User {person.id} is erased.\n"
        assert again.output == f"User {person.id} was erased before.\n"

    def test_keeps_the_last_administrator(self, runner: FlaskCliRunner) -> None:
        last = an_admin()

        run = runner.invoke(args=["privacy", "erase", "--user", last.username, "--yes"])

        assert run.exit_code == 1
        assert "last administrator" in run.output
        assert user(last).deleted_at is None

    def test_erases_neither_if_it_is_the_number_of_one_and_the_name_of_another(self, runner: FlaskCliRunner) -> None:
        numbered, named = a_user(), a_user()
        set_user(named, username_key=str(numbered.id))

        run = runner.invoke(args=["privacy", "erase", "--user", str(numbered.id), "--yes"])

        assert run.exit_code == 1
        assert "Give an e-mail address." in run.output
        assert (user(numbered).erased_at, user(named).erased_at) == (None, None)

    @pytest.mark.parametrize("name", ["nobody", "999999", "no@body.test", "-1", "²"])
    def test_knows_nobody_of_that_name(self, runner: FlaskCliRunner, name: str) -> None:
        run = runner.invoke(args=["privacy", "erase", "--yes", f"--user={name}"])

        assert run.exit_code == 1
        assert "There is no such user." in run.output

    def test_erases_those_whose_time_is_over(self, runner: FlaskCliRunner, clock: Clock) -> None:
        set_user(a_user(), deleted_at=clock.at)
        clock.advance(days=30)

        run = runner.invoke(args=["privacy", "erase-due"])

        assert run.output == "1 erased.\n"
