import pytest
from flask import Response
from sqlalchemy import text

from app.core.caller import OPERATOR
from app.core.errors import NotFound
from app.core.permissions import Permission
from app.features.access import service as access
from app.infra import db
from app.web.application import Routes
from app.web.caller import authenticated, public
from app.web.schemas import Out, returns
from tests.api import Api, a_user, an_admin
from tests.web.answers import failure
from tests.web.conftest import Layered, Serve
from tests.world import World, counted_statements

NOBODYS = 2**63


class TestUnit:
    def test_commits_what_a_view_did_when_it_returns(self, serve: Serve) -> None:
        api = serve(made_by_a_view())

        answer = api.post("/roles/kept")

        assert answer.status_code == 204
        assert "kept" in role_names()

    def test_rolls_back_what_a_view_did_when_it_raises(self, serve: Serve) -> None:
        api = serve(made_by_a_view())

        answer = api.post("/roles/dropped")

        assert failure(answer, 404, "NOT_FOUND") == {}
        assert "dropped" not in role_names()

    def test_opens_no_connection_for_a_view_that_needs_none(self, api: Api) -> None:
        with counted_statements() as statements:
            api.get("/health")

        assert statements == []


class Rocket:
    """What a service returns."""

    id, name, secret, status, version = 7, "Enterprise", "canary", "gone", 3


class RocketOut(Out):
    name: str


class RocketRecord(RocketOut):
    secret: str


ROUTES = Routes("throwaway", __name__)


@ROUTES.get("/by-hand")
@public
def by_hand() -> Response:
    return Response("by hand", 202, mimetype="text/plain")


@ROUTES.post("/rockets")
@public
@returns(RocketOut, 201, "Built.", location="/rockets/{it.id}", versioned=True)
def build() -> Rocket:
    return Rocket()


@ROUTES.get("/rockets/bare")
@public
@returns(RocketOut, bare=True, cached=60)
def show_bare() -> Rocket:
    return Rocket()


@ROUTES.get("/rockets/gone")
@public
@returns(RocketOut, bare=True, status_of={"gone": 410})
def show_gone() -> Rocket:
    return Rocket()


@ROUTES.get("/rockets/record")
@authenticated
@returns(RocketOut, richer={Permission.USERS_DELETE: RocketRecord})
def show_record() -> Rocket:
    return Rocket()


@ROUTES.get("/nothing-to-say")
@public
@returns(RocketOut | None)
def say_nothing() -> None:
    """Find nothing."""


class TestAnswer:
    @pytest.fixture
    def api(self, layered: Layered, world: World) -> Api:
        return Api(layered(ROUTES))

    def test_that_a_view_made_itself_is_handed_on(self, api: Api) -> None:
        answer = api.get("/by-hand")

        assert (answer.status_code, answer.text, answer.mimetype) == (202, "by hand", "text/plain")

    def test_has_the_status_message_place_and_version_that_were_declared(self, api: Api) -> None:
        answer = api.post("/rockets")

        assert answer.status_code == 201
        assert answer.result == {"name": "Enterprise"}
        assert answer.json["message"] == "Built."
        assert (answer.headers["Location"], answer.headers["ETag"]) == ("/rockets/7", '"3"')

    def test_may_be_bare_and_kept(self, api: Api) -> None:
        answer = api.get("/rockets/bare")

        assert answer.json == {"name": "Enterprise"}
        assert answer.headers.getlist("Cache-Control") == ["public, max-age=60"]

    def test_may_have_the_status_that_it_tells_of(self, api: Api) -> None:
        assert api.get("/rockets/gone").status_code == 410

    def test_may_show_more_to_those_who_hold_a_permission(self, api: Api) -> None:
        plain, richer = (api.as_(who).get("/rockets/record").result for who in (a_user(), an_admin()))

        assert (plain, richer) == ({"name": "Enterprise"}, {"name": "Enterprise", "secret": "canary"})

    def test_may_be_null(self, api: Api) -> None:
        assert api.get("/nothing-to-say").result is None


class TestOrder:
    """What is answered first, when several things are wrong: 401, 403, the body, the object."""

    def test_begins_with_who_is_calling(self, api: Api) -> None:
        answer = api.patch(f"/api/v1/users/{NOBODYS}", data=b"{", headers={"If-Match": '"999"'})

        assert failure(answer, 401, "UNAUTHENTICATED") == {}

    def test_goes_on_with_what_they_may(self, api: Api) -> None:
        answer = api.as_(a_user()).patch(f"/api/v1/users/{NOBODYS}", data=b"{")

        assert failure(answer, 403, "FORBIDDEN") == {}

    def test_then_reads_the_query_and_the_body(self, api: Api) -> None:
        answer = api.as_(an_admin()).patch(f"/api/v1/users/{NOBODYS}", data=b"{")

        assert failure(answer, 400, "MALFORMED_REQUEST") == {}

    def test_ends_with_the_object(self, api: Api) -> None:
        answer = api.as_(an_admin()).patch(f"/api/v1/users/{NOBODYS}", {"first_name": "x"})

        assert failure(answer, 404, "NOT_FOUND") == {}

    def test_asks_the_database_nothing_for_the_anonymous(self, api: Api) -> None:
        with counted_statements() as statements:
            answer = api.get("/api/v1/users")

        assert answer.status_code == 401
        assert statements == []


def made_by_a_view() -> Routes:
    routes = Routes("throwaway", __name__)

    @routes.post("/roles/<name>")
    @public
    @returns(status=204)
    def view(name: str) -> None:
        access.create_role(name=name, description="", permissions=[], by=OPERATOR)
        if name == "dropped":
            raise NotFound

    return routes


def role_names() -> set[str]:
    with db.unit_of_work(writes=False):
        return set(db.session().scalars(text("SELECT name FROM roles")))
