import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from app.core.errors import EditedMeanwhile
from app.web import versions
from tests.api import Answer, Api, Person, a_role, a_user, an_admin
from tests.web.answers import failure
from tests.world import World

ME = "/auth/me"


@pytest.fixture
def person(world: World) -> Person:
    return a_user()


def rename(api: Api, name: str, **headers: str) -> Answer:
    return api.patch(ME, {"first_name": name}, headers={key.replace("_", "-"): value for key, value in headers.items()})


class TestETag:
    def test_is_a_strong_tag(self, api: Api, person: Person) -> None:
        tag = api.as_(person).get(ME).headers["ETag"]

        assert re.fullmatch(r'"\d+"', tag)

    def test_changes_with_each_change(self, api: Api, person: Person) -> None:
        me = api.as_(person)

        tags = [me.get(ME).headers["ETag"], rename(me, "A").headers["ETag"], rename(me, "B").headers["ETag"]]

        assert len(set(tags)) == 3
        assert me.get(ME).headers["ETag"] == tags[-1]

    def test_stays_when_nothing_changed(self, api: Api, person: Person) -> None:
        me = api.as_(person)

        assert me.get(ME).headers["ETag"] == me.get(ME).headers["ETag"]

    @pytest.mark.parametrize("path", ["/api/v1/users", "/auth/sessions", "/health", "/api/v1/permissions"])
    def test_is_not_on_what_has_no_version(self, api: Api, path: str) -> None:
        assert "ETag" not in api.as_(an_admin()).get(path).headers


class TestIfMatch:
    @pytest.mark.parametrize("written", ["{tag}", '"x", {tag}', '"x",{tag},"y"', "*"])
    def test_lets_a_change_of_the_present_version_through(self, api: Api, person: Person, written: str) -> None:
        me = api.as_(person)
        tag = me.get(ME).headers["ETag"]

        answer = rename(me, "New", If_Match=written.format(tag=tag))

        assert answer.status_code == 200
        assert me.get(ME).result["first_name"] == "New"

    def test_stops_a_change_of_any_other(self, api: Api, person: Person) -> None:
        me = api.as_(person)
        tag = me.get(ME).headers["ETag"]
        another, weak, lists = '"999"', f"W/{tag}", [f'W/{tag}, "x"', '"x", "y"', ","]
        odd = ["", '""', '"*"', f'"{tag}"', "\u00e9", tag.strip('"') + "0"]

        answers = [rename(me, "New", If_Match=written) for written in (another, weak, *lists, *odd)]

        assert [failure(answer, 412, "PRECONDITION_FAILED") for answer in answers] == [{} for _ in answers]
        assert me.get(ME).result["first_name"] == ""

    def test_stops_who_read_before_the_last_change(self, api: Api, person: Person) -> None:
        me = api.as_(person)
        tag = me.get(ME).headers["ETag"]
        rename(me, "First", If_Match=tag)

        late = rename(me, "Second", If_Match=tag)

        assert failure(late, 412, "PRECONDITION_FAILED") == {}
        assert me.get(ME).result["first_name"] == "First"

    def test_may_be_left_out(self, api: Api, person: Person) -> None:
        assert rename(api.as_(person), "New").status_code == 200

    def test_comes_after_what_is_wrong_with_the_body(self, api: Api, person: Person) -> None:
        answer = api.as_(person).patch(ME, {"roles": []}, headers={"If-Match": '"999"'})

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == ["roles"]

    def test_lets_one_of_two_parallel_changes_win(self, api: Api, person: Person) -> None:
        me = api.as_(person)
        tag = me.get(ME).headers["ETag"]
        together = Barrier(2)

        def change(name: str) -> int:
            together.wait(timeout=10)
            return rename(me, name, If_Match=tag).status_code

        with ThreadPoolExecutor(2) as pool:
            found = sorted(pool.map(change, ["One", "Other"]))

        assert found == [200, 412]

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_guards_every_way_to_change_a_user(self, api: Api, person: Person, method: str) -> None:
        admin = api.as_(an_admin())
        path = f"/api/v1/users/{person.id}"
        body = {"PUT": {"username": person.username, "email": person.email}, "PATCH": {"first_name": "x"}}.get(method)

        stopped = admin.send(method, path, body, headers={"If-Match": '"999"'})
        through = admin.send(method, path, body, headers={"If-Match": admin.get(path).headers["ETag"]})

        assert failure(stopped, 412, "PRECONDITION_FAILED") == {}
        assert through.status_code in {200, 204}

    @pytest.mark.parametrize(("method", "body"), [("PATCH", {"description": "x"}), ("DELETE", None)])
    def test_guards_every_way_to_change_a_role(self, api: Api, method: str, body: dict[str, str] | None) -> None:
        admin, name = api.as_(an_admin()), a_role()
        [role] = [role for role in admin.get("/api/v1/roles").result if role["name"] == name]
        path = f"/api/v1/roles/{role['id']}"

        stopped = admin.send(method, path, body, headers={"If-Match": '"999"'})
        through = admin.send(method, path, body, headers={"If-Match": admin.get(path).headers["ETag"]})

        assert failure(stopped, 412, "PRECONDITION_FAILED") == {}
        assert through.status_code in {200, 204}


class TestRequired:
    @pytest.fixture
    def strict(self, world: World) -> Api:
        return Api(world.with_settings(require_if_match=True))

    def test_refuses_a_change_that_does_not_say_of_what(self, strict: Api) -> None:
        answer = rename(strict.as_(a_user()), "New")

        assert failure(answer, 428, "PRECONDITION_REQUIRED") == {}

    def test_lets_one_through_that_does(self, strict: Api) -> None:
        me = strict.as_(a_user())

        assert rename(me, "New", If_Match=me.get(ME).headers["ETag"]).status_code == 200

    def test_asks_for_nothing_else(self, strict: Api) -> None:
        admin = strict.as_(an_admin())

        answers = [admin.get(ME), admin.post("/api/v1/roles", {"name": "made"}), admin.post("/auth/logout")]

        assert [answer.status_code for answer in answers] == [200, 201, 204]


class TestGuard:
    @pytest.mark.parametrize("sent", ['"7"', '"6", "7"'])
    @pytest.mark.parametrize("version", [1, 8, 70, 77])
    def test_stops_every_version_that_was_not_named(self, world: World, sent: str, version: int) -> None:
        with world.app.test_request_context(headers={"If-Match": sent}):
            guard = versions.guard()

        with pytest.raises(EditedMeanwhile):
            guard(version)
