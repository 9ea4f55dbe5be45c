import pytest

from app.core.caller import ANONYMOUS, OPERATOR, Caller
from app.core.errors import Forbidden
from app.core.permissions import Permission
from app.web import caller
from app.web.application import Routes
from app.web.caller import authenticated, public, requires
from app.web.declaration import Access, Declaration, of
from app.web.schemas import returns
from tests.api import Api, a_holder_of, a_user, an_admin
from tests.web.answers import failure
from tests.web.conftest import Layered
from tests.world import World

ROUTES = Routes("throwaway", __name__)
SEEN: list[Caller] = []


@ROUTES.get("/public")
@public
@returns(status=204)
def for_anybody() -> None:
    SEEN.append(caller.current())


@ROUTES.get("/authenticated")
@authenticated
@returns(status=204)
def for_the_signed_in() -> None:
    SEEN.append(caller.current())


@ROUTES.get("/both")
@requires(Permission.USERS_READ, Permission.ROLES_READ)
@returns(status=204)
def for_holders_of_both() -> None:
    SEEN.append(caller.current())


@pytest.fixture
def api(layered: Layered, world: World) -> Api:
    SEEN.clear()
    return Api(layered(ROUTES))


class TestCurrent:
    def test_is_the_operator_outside_of_requests(self) -> None:
        assert caller.current() is OPERATOR

    def test_is_nobody_in_a_public_view_even_with_a_token(self, api: Api) -> None:
        api.get("/public")
        api.as_(an_admin()).get("/public")

        assert SEEN == [ANONYMOUS, ANONYMOUS]

    def test_is_who_signed_in(self, api: Api) -> None:
        person = a_user()

        api.as_(person).get("/authenticated")

        [seen] = SEEN
        assert (seen.user_id, seen.username, seen.roles) == (person.id, person.username, ("user",))
        assert not seen.trusted

    def test_is_the_operator_again_after_a_request(self, api: Api) -> None:
        api.as_(an_admin()).get("/authenticated")
        api.get("/authenticated")

        assert caller.current() is OPERATOR

    def test_is_nobody_inside_of_from_outside_whatever_happens(self) -> None:
        seen: list[Caller] = []

        def fail() -> None:
            with caller.from_outside():
                seen.append(caller.current())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert seen == [ANONYMOUS]
        assert caller.current() is OPERATOR


class TestBearer:
    @pytest.fixture
    def token(self, api: Api) -> str:
        person = a_user()
        api.sign_in(person)
        return str(person.access_token)

    def test_is_read_from_the_authorization_header(self, api: Api, token: str) -> None:
        forms = ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}  "]

        answers = [api.get("/authenticated", headers={"Authorization": form.format(token)}) for form in forms]

        assert [answer.status_code for answer in answers] == [204] * 4

    def test_is_nothing_of_another_scheme(self, api: Api, token: str) -> None:
        forms = ["{}", "Token {}", "Basic {}", "Bearer{}", "JWT {}", " {}"]

        answers = [api.get("/authenticated", headers={"Authorization": form.format(token)}) for form in forms]

        assert [failure(answer, 401, "UNAUTHENTICATED") for answer in answers] == [{} for _ in forms]

    def test_is_one_token(self, api: Api, token: str) -> None:
        forms = ["Bearer {0} {0}", "Bearer {0},{0}", "Bearer '{0}'", "Bearer {0}."]

        answers = [api.get("/authenticated", headers={"Authorization": form.format(token)}) for form in forms]

        assert [failure(answer, 401, "INVALID_TOKEN") for answer in answers] == [{} for _ in forms]

    def test_is_no_refresh_token(self, api: Api) -> None:
        person = a_user()
        api.sign_in(person)

        answer = api.get("/authenticated", headers={"Authorization": f"Bearer {person.refresh_token}"})

        assert failure(answer, 401, "INVALID_TOKEN") == {}

    def test_is_read_from_nowhere_else(self, api: Api, token: str) -> None:
        answers = [
            api.get(f"/authenticated?access_token={token}"),
            api.get("/authenticated", headers={"Cookie": f"access_token={token}; session={token}"}),
            api.get("/authenticated", headers={"X-Authorization": f"Bearer {token}"}),
        ]

        assert [answer.status_code for answer in answers] == [401, 401, 401]


class TestRequires:
    @pytest.mark.parametrize(
        ("held", "status"),
        [
            pytest.param([], 403, id="none"),
            pytest.param(["users:read"], 403, id="one"),
            pytest.param(["roles:read", "users:write"], 403, id="another"),
            pytest.param(["users:read", "roles:read"], 204, id="both"),
            pytest.param(["users:read", "roles:read", "audit:read"], 204, id="more"),
        ],
    )
    def test_asks_for_all_of_them(self, api: Api, held: list[str], status: int) -> None:
        answer = api.as_(a_holder_of(*held)).get("/both")

        assert answer.status_code == status
        assert len(SEEN) == [403, 204].index(status)

    def test_is_refused_to_the_anonymous_as_such(self, api: Api) -> None:
        assert failure(api.get("/both"), 401, "UNAUTHENTICATED") == {}

    def test_is_written_down(self, api: Api) -> None:
        person = a_user()

        api.as_(person).get("/both", headers={"X-Request-ID": "refused-request"})

        [event] = api.as_(an_admin()).get("/api/v1/audit-events?event=authz_fail").result
        assert event["outcome"] == "failure"
        assert event["actor"] == {"type": "user", "id": str(person.id)}
        assert event["detail"] == {"permissions": ["roles:read", "users:read"], "code": "FORBIDDEN"}
        assert event["request_id"] == "refused-request"

    def test_is_refused_also_without_anybody_who_listens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(caller, "_refusals", [])

        with pytest.raises(Forbidden):
            caller.authorise(Declaration(access=frozenset({Permission.USERS_READ})), Caller(user_id=1))


class TestDeclaration:
    def test_is_what_the_decorator_says(self) -> None:
        assert of(for_anybody).access is Access.PUBLIC
        assert of(for_the_signed_in).access is Access.AUTHENTICATED
        assert of(for_holders_of_both).access == frozenset({Permission.USERS_READ, Permission.ROLES_READ})

    def test_begins_with_no_access_at_all(self) -> None:
        def view() -> None:
            """Declare nothing."""

        assert of(view).access is None
        assert of(view) is of(view)
