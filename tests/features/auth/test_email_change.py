import pytest

from tests.api import Answer, Api, Person, a_user
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, the_trail
from tests.features.auth.together import at_once
from tests.links import NEW_PASSWORD, ask_to_move, change_link, codes, move, reset, reset_link
from tests.mails import letters
from tests.stepup import stepped_up
from tests.world import PASSWORD, World

NEW = "moved@people.test"


def confirm(api: Api, token: str) -> Answer:
    return api.post("/auth/email/change/confirm", {"token": token})


def undo(api: Api, token: str) -> Answer:
    return api.post("/auth/email/change/undo", {"token": token})


def sign_in(api: Api, email: str, password: str = PASSWORD) -> int:
    return api.post("/auth/login", {"email": email, "password": password}).status_code


def register(api: Api, email: str) -> Answer:
    return api.post("/auth/register", {"username": "squatter", "email": email, "password": PASSWORD})


@pytest.fixture
def grace(world: World) -> Person:
    return a_user(email="grace@people.test", email_verified=True)


class TestRequest:
    def test_mails_a_link_to_the_new_address_and_a_notice_to_the_old(self, api: Api, grace: Person) -> None:
        answer = ask_to_move(api, grace, NEW)

        assert (answer.status_code, answer.result) == (202, {"status": "pending"})
        assert [(letter.template, letter.to) for letter in letters()] == [
            ("email_change", NEW),
            ("email_change_requested", grace.email),
        ]
        assert letters("email_change")[0].context["link"].startswith("http://carboy.test/change-email?token=")

    def test_changes_nothing_yet(self, api: Api, grace: Person) -> None:
        ask_to_move(api, grace, NEW)

        assert sign_in(api, NEW) == 401
        assert sign_in(api, grace.email) == 200

    def test_needs_a_step_up(self, api: Api, grace: Person) -> None:
        answer = api.as_(grace).post("/auth/email/change", {"new_email": NEW})

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")
        assert letters() == []

    @pytest.mark.parametrize("taken", ["taken@people.test", "TA\u212aEN@people.test"])
    def test_says_the_same_of_a_taken_address_and_tells_its_owner(self, api: Api, grace: Person, taken: str) -> None:
        a_user(email="Taken@people.test")
        free = ask_to_move(api, grace, NEW)
        rows = len(codes())

        answer = ask_to_move(api, grace, taken)

        assert {**answer.json, "metadata": None} == {**free.json, "metadata": None}
        assert [(letter.template, letter.to) for letter in letters()][2:] == [
            ("email_taken", "Taken@people.test"),
            ("email_change_requested", grace.email),
        ]
        assert len(codes()) == rows + 2
        assert confirm(api, letters("email_taken")[0].token).code == "INVALID_TOKEN"

    @pytest.mark.parametrize("new", ["nowhere", "gr\u00e4ce@people.test", "grace@people.test", "", None])
    def test_explains_what_is_no_new_address(self, api: Api, grace: Person, new: object) -> None:
        answer = stepped_up(api, grace).post("/auth/email/change", {"new_email": new})

        assert (answer.status_code, list(answer.details)) == (422, ["new_email"])

    def test_is_granted_five_times_an_hour(self, api: Api, grace: Person) -> None:
        statuses = [ask_to_move(api, grace, f"moved{number}@people.test").status_code for number in range(6)]

        assert statuses == [202] * 5 + [429]

    def test_ends_the_link_before(self, api: Api, grace: Person) -> None:
        first, second = change_link(api, grace, NEW), change_link(api, grace, "other@people.test")

        assert confirm(api, first).code == "INVALID_TOKEN"
        assert confirm(api, second).status_code == 204

    def test_gives_a_stranger_at_an_unproven_address_no_link(self, api: Api) -> None:
        typo = a_user(email="tyop@people.test")

        ask_to_move(api, typo, NEW)
        confirm(api, letters("email_change")[0].token)

        assert [letter.to for letter in letters() if letter.template.startswith("email_change")] == [NEW, None, None]


class TestConfirm:
    def test_switches_to_the_new_address_which_is_proven(self, api: Api, grace: Person) -> None:
        answer = confirm(api, change_link(api, grace, NEW))

        assert answer.status_code == 204
        mine = api.as_(grace).get("/auth/me").result
        assert (mine["email"], mine["email_verified"]) == (NEW, True)
        assert (sign_in(api, "grace@people.test"), sign_in(api, NEW)) == (401, 200)

    def test_ends_all_sessions_but_the_one_that_asked(self, api: Api, grace: Person) -> None:
        other = api.as_(grace)
        api.sign_in(grace)
        mine = api.as_(grace)

        confirm(api, change_link(api, grace, NEW))

        assert mine.get("/auth/me").status_code == 200
        assert other.get("/auth/me").status_code == 401

    def test_tells_the_old_address_with_a_link_to_undo(self, api: Api, grace: Person) -> None:
        confirm(api, change_link(api, grace, NEW))

        (letter,) = letters("email_changed")
        assert letter.to == "grace@people.test"
        assert letter.context["link"].startswith("http://carboy.test/undo-email?token=")
        assert letter.context["lifetime"] == "7 days"

    def test_is_audited_without_addresses(self, api: Api, grace: Person) -> None:
        confirm(api, change_link(api, grace, NEW))

        event = audited("user_updated")[0]
        assert event.detail == {"fields": ["email", "email_verified"], "by": "link"}
        assert NEW not in the_trail()

    def test_ends_links_that_went_to_the_old_address(self, api: Api, grace: Person) -> None:
        token = reset_link(api, grace)

        confirm(api, change_link(api, grace, NEW))

        assert reset(api, token).code == "INVALID_TOKEN"

    def test_works_once(self, api: Api, grace: Person) -> None:
        token = change_link(api, grace, NEW)
        confirm(api, token)

        assert confirm(api, token).code == "INVALID_TOKEN"

    def test_of_twenty_at_once_lets_one_win(self, api: Api, grace: Person) -> None:
        token = change_link(api, grace, NEW)

        answers = at_once(20, lambda _: confirm(api, token))

        assert sorted(answer.status_code for answer in answers) == [204] + [422] * 19
        assert len(letters("email_changed")) == 1

    def test_works_for_an_hour(self, api: Api, grace: Person, clock: Clock) -> None:
        token = change_link(api, grace, NEW)
        clock.advance(minutes=59)
        bob = a_user()
        late = change_link(api, bob, "bob.moved@people.test")
        assert confirm(api, token).status_code == 204

        clock.advance(hours=1)

        assert confirm(api, late).code == "INVALID_TOKEN"

    def test_is_refused_once_the_address_is_anothers(self, api: Api, grace: Person) -> None:
        token = change_link(api, grace, NEW)
        a_user(email=NEW)

        answer = confirm(api, token)

        assert (answer.status_code, answer.code) == (409, "EMAIL_TAKEN")
        assert sign_in(api, grace.email) == 200

    @pytest.mark.parametrize("made_void_by", ["password change", "reset"])
    def test_is_refused_after_the_password_was_changed(self, api: Api, grace: Person, made_void_by: str) -> None:
        token = change_link(api, grace, NEW)
        acts = {
            "password change": lambda: api.as_(grace).post(
                "/auth/password/change", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
            ),
            "reset": lambda: reset(api, reset_link(api, grace)),
        }

        assert acts[made_void_by]().status_code == 204

        assert confirm(api, token).code == "INVALID_TOKEN"


class TestUndo:
    def test_gives_the_old_address_back(self, api: Api, grace: Person) -> None:
        answer = undo(api, move(api, grace, NEW))

        assert answer.status_code == 204
        assert letters("reset_password")[-1].to == "grace@people.test"
        assert reset(api, letters("reset_password")[-1].token).status_code == 204
        assert sign_in(api, "grace@people.test", NEW_PASSWORD) == 200

    def test_ends_all_sessions_and_the_password_that_the_thief_knows(self, api: Api, grace: Person) -> None:
        token = move(api, grace, NEW)

        undo(api, token)

        assert live_sessions_of(grace) == []
        assert (sign_in(api, NEW), sign_in(api, "grace@people.test")) == (401, 401)

    def test_stops_a_change_that_is_only_asked_for(self, api: Api, grace: Person) -> None:
        pending = change_link(api, grace, NEW)

        assert undo(api, letters("email_change_requested")[0].token).status_code == 204

        assert confirm(api, pending).code == "INVALID_TOKEN"
        assert live_sessions_of(grace) == []

    def test_works_once(self, api: Api, grace: Person) -> None:
        token = move(api, grace, NEW)
        undo(api, token)

        assert undo(api, token).code == "INVALID_TOKEN"

    def test_of_twenty_at_once_lets_one_win(self, api: Api, grace: Person) -> None:
        token = move(api, grace, NEW)

        answers = at_once(20, lambda _: undo(api, token))

        assert sorted(answer.status_code for answer in answers) == [204] + [422] * 19

    def test_works_for_seven_days(self, api: Api, grace: Person, clock: Clock) -> None:
        token = move(api, grace, NEW)
        clock.advance(days=6, hours=23)

        assert undo(api, token).status_code == 204

    def test_does_not_work_after_seven_days(self, api: Api, grace: Person, clock: Clock) -> None:
        token = move(api, grace, NEW)
        clock.advance(days=7)

        assert undo(api, token).code == "INVALID_TOKEN"

    def test_is_the_first_owners_though_a_thief_moved_on(self, api: Api, grace: Person) -> None:
        owners = move(api, grace, NEW)
        thiefs = move(api, grace, "hideout@people.test")

        assert undo(api, owners).status_code == 204

        assert undo(api, thiefs).code == "INVALID_TOKEN"
        assert letters("reset_password")[-1].to == "grace@people.test"

    def test_survives_a_thief_who_undoes_and_resets(self, api: Api, grace: Person) -> None:
        owners = move(api, grace, NEW)
        undo(api, move(api, grace, "hideout@people.test"))
        reset(api, letters("reset_password")[-1].token)

        assert undo(api, owners).status_code == 204

        assert letters("reset_password")[-1].to == "grace@people.test"

    def test_cannot_be_blocked_by_taking_the_old_address(self, api: Api, grace: Person) -> None:
        thief = a_user(email_verified=True)
        token = move(api, grace, NEW)

        assert register(api, "grace@people.test").code == "EMAIL_TAKEN"
        assert ask_to_move(api, thief, "grace@people.test").status_code == 202

        assert letters("email_taken")[-1].to is None
        assert undo(api, token).status_code == 204

    def test_cannot_be_blocked_where_addresses_must_be_proven(self, world: World, grace: Person) -> None:
        api = Api(world.with_settings(email_verification="mandatory"))
        token = move(api, grace, NEW)

        assert register(api, "grace@people.test").status_code == 202

        assert letters()[-1].to is None
        assert undo(api, token).status_code == 204

    def test_leaves_the_old_address_to_others_after_seven_days(self, api: Api, grace: Person, clock: Clock) -> None:
        move(api, grace, NEW)
        clock.advance(days=7)

        assert register(api, "grace@people.test").status_code == 201

    def test_does_not_keep_its_owner_from_going_back(self, api: Api, grace: Person) -> None:
        move(api, grace, NEW)

        assert confirm(api, change_link(api, grace, "grace@people.test")).status_code == 204
