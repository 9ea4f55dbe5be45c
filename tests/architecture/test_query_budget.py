"""How many statements each route may send to the database; it is as many whatever there is to show."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from app.core.caller import OPERATOR, Caller
from app.core.permissions import EVERYTHING
from app.features.access import service as access
from app.features.api_keys import service as api_keys
from app.features.auth import service as auth
from app.features.auth import sessions as auth_sessions
from app.features.statistics import service as statistics
from app.features.visits import service as visits
from app.infra import db
from tests.api import Answer, Api, Person, a_holder_of, a_role, a_user, some_users
from tests.authenticator import Authenticator, begun, enrolled, half_signed_in, reauthenticated
from tests.features.auth.passkeys import (
    LOGIN,
    PASSKEYS,
    REGISTER,
    a_passkey,
    creation,
    register,
    request,
)
from tests.features.factors.authenticator import Authenticator as Device
from tests.features.oidc import stranger as strangers
from tests.features.oidc.browser import Browser, code_in
from tests.features.oidc.rows import step_up
from tests.features.oidc.stranger import CLIENT, SECRET
from tests.links import NEW_PASSWORD, change_link, move, reset_link, verify_link
from tests.stepup import KEYS, a_key, stepped_up
from tests.world import PASSWORD, World, counted_statements, settings

USERS, ROLES, VISITS, EVENTS = "/api/v1/users", "/api/v1/roles", "/api/v1/visits", "/api/v1/audit-events"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CHANGE = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Battery"}
FEW, MANY = 3, 50


class Scene:
    """Who calls a route, and on what; made when it is asked for."""

    new: ClassVar = {"username": "newcomer", "email": "newcomer@people.test", "password": PASSWORD}

    def __init__(self, world: World) -> None:
        self.world, self.providers = world, ExitStack()
        self.var = world.var
        self.api = Api(world.app)
        auth.public_keys()  # each process reads them once

    @cached_property
    def mighty(self) -> Api:
        return self.api.as_(a_holder_of(*EVERYTHING))

    @cached_property
    def person(self) -> Person:
        person = a_user(roles=("user", a_role()))
        self.api.sign_in(person)
        return person

    @cached_property
    def own(self) -> Api:
        return self.api.as_(self.person)

    @cached_property
    def user(self) -> str:
        return f"{USERS}/{self.person.id}"

    @cached_property
    def helper(self) -> Person:
        return a_holder_of(*EVERYTHING)

    @cached_property
    def holding(self) -> str:
        assert self.authenticator.secret
        return self.user

    @cached_property
    def gone(self) -> str:
        self.mighty.delete(self.user)
        return self.user

    @cached_property
    def role(self) -> str:
        return self.mighty.post(ROLES, {"name": "made"}).headers["Location"]

    @cached_property
    def session(self) -> str:
        return f"/auth/sessions/{self.own.get('/auth/sessions').result[0]['id']}"

    @cached_property
    def sure(self) -> Api:
        return reauthenticated(self.api, self.person)

    @cached_property
    def authenticator(self) -> Authenticator:
        return enrolled(self.api, self.person)

    @cached_property
    def holder(self) -> Api:
        assert self.authenticator.secret
        return self.own

    @cached_property
    def confirmation(self) -> dict[str, str]:
        return {"code": begun(self.api, self.person).code()}

    @cached_property
    def second_step(self) -> dict[str, str]:
        code = self.authenticator.recovery_codes[0]
        return {"mfa_token": half_signed_in(self.api, self.person), "recovery_code": code}

    @cached_property
    def device(self) -> Device:
        device = Device()
        assert register(self.sure, device).status_code == 201
        return device

    @cached_property
    def attestation(self) -> dict[str, object]:
        return {"credential": Device().create(creation(self.sure))}

    @cached_property
    def assertion(self) -> dict[str, object]:
        return {"credential": self.device.get(request(self.api))}

    @cached_property
    def passkey(self) -> str:
        return f"{PASSKEYS}/{a_passkey(self.person)}"

    @cached_property
    def key(self) -> str:
        return f"{KEYS}/{a_key(self.api, self.person)['id']}"

    @cached_property
    def impersonator(self) -> Api:
        return stepped_up(self.api, a_holder_of(*EVERYTHING))

    @cached_property
    def login(self) -> dict[str, str]:
        return {"username": a_user().username, "password": PASSWORD}

    @cached_property
    def reset(self) -> dict[str, str]:
        return {"token": reset_link(self.api, self.person), "new_password": NEW_PASSWORD}

    @cached_property
    def verification(self) -> dict[str, str]:
        return {"token": verify_link(self.api, self.person)}

    @cached_property
    def stepped_up(self) -> Api:
        return stepped_up(self.api, self.person)

    @cached_property
    def change(self) -> dict[str, str]:
        return {"token": change_link(self.api, self.person, "moved@people.test")}

    @cached_property
    def undo(self) -> dict[str, str]:
        self.api.post("/auth/email/verify", self.verification)
        return {"token": move(self.api, self.person, "moved@people.test")}

    @cached_property
    def browser(self) -> Browser:
        """Return the browser of somebody who has an account at a provider."""
        stranger = self.providers.enter_context(strangers.running())
        provider = {"name": "stranger", "issuer": stranger.url, "client_id": CLIENT, "client_secret": SECRET}
        browser = Browser(self.world.with_settings(oidc_providers=[provider]))
        auth.public_keys()
        browser.start("stranger")  # each process reads its metadata once
        return browser

    @cached_property
    def coming_back(self) -> str:
        return self.browser.consent(self.browser.start("stranger"))

    @cached_property
    def oidc_code(self) -> str:
        return code_in(self.browser.sign_in("stranger"))

    @cached_property
    def linked(self) -> Api:
        """Return who has just reauthenticated, with a provider and a password."""
        browser, person = self.browser, self.person
        step_up(person)
        bearer = {"Authorization": f"Bearer {person.access_token}"}
        url = browser.open("/auth/oidc/stranger/link", method="POST", headers=bearer).result["url"]
        browser.come_back(browser.consent(url))
        return Api(browser.app).as_(person)

    @cached_property
    def identity(self) -> str:
        return str(self.linked.get("/auth/oidc/identities").result[0]["id"])

    @cached_property
    def metrics(self) -> Api:
        statistics.connect(settings(self.var, metrics_token="a token of the tests"))
        return Api(self.api.app, "a token of the tests")

    @cached_property
    def setup(self) -> bytes:
        with db.unit_of_work():
            return urlencode({**self.new, "code": auth.make_setup_code()}).encode()


def users(_: Scene, number: int) -> None:
    some_users(number)


def roles(_: Scene, number: int) -> None:
    with db.unit_of_work():
        for place in range(number):
            access.create_role(name=f"crowd-{place}", description="", permissions=["users:read"], by=OPERATOR)


def sessions(scene: Scene, number: int) -> None:
    person = scene.person
    with db.unit_of_work():
        for _ in range(number):
            auth_sessions.start(user_id=person.id, methods=["pwd"])


def passkeys(scene: Scene, number: int) -> None:
    for _ in range(number):
        a_passkey(scene.person)


def keys(scene: Scene, number: int) -> None:
    me = Caller(user_id=scene.person.id)
    with db.unit_of_work():
        for _ in range(number - 1):
            api_keys.create(name="crowd", scopes=[], expires_in=60, by=me)


def pages(scene: Scene, number: int) -> None:
    scene.api.get("/")
    for place in range(number):
        visits.count(f"/{place}")


@dataclass(frozen=True)
class Budget:
    """At most so many statements for a call, however large the crowd."""

    statements: int
    call: Callable[[Scene], Callable[[], Answer]]
    crowd: Callable[[Scene, int], None] = users

    def spend(self, world: World, number: int) -> list[str]:
        """Return what a call sends to the database when there is so much of everything."""
        world.reset()
        scene = Scene(world)
        self.crowd(scene, number)
        with scene.providers:
            call = self.call(scene)
            with counted_statements() as seen:
                answer = call()
        assert answer.status_code < 400, answer.text
        return seen


def posts(path: str, body: Callable[[Scene], dict[str, str]]) -> Callable[[Scene], Callable[[], Answer]]:
    return lambda s: partial(s.api.post, path, body(s))


def sends(path: str, form: Callable[[Scene], dict[str, str]]) -> Callable[[Scene], Callable[[], Answer]]:
    return lambda s: partial(s.api.post, path, data=urlencode(form(s)).encode(), headers=FORM)


def mighty(path: str) -> Callable[[Scene], Callable[[], Answer]]:
    return lambda s: partial(s.mighty.get, path)


def anybody(path: str) -> Callable[[Scene], Callable[[], Answer]]:
    return lambda s: partial(s.api.get, path)


BUDGETS = {
    "GET /": Budget(7, anybody("/"), pages),
    "GET /.well-known/jwks.json": Budget(0, anybody("/.well-known/jwks.json")),
    "GET /api/v1/api-keys": Budget(3, lambda s: partial(s.sure.get, f"{KEYS}?per_page=100"), keys),
    "POST /api/v1/api-keys": Budget(10, lambda s: partial(s.sure.post, KEYS, {"name": "x", "scopes": []}), keys),
    "DELETE /api/v1/api-keys/<uuid:key_id>": Budget(6, lambda s: partial(s.sure.delete, s.key)),
    "GET /api/v1/audit-events": Budget(3, mighty(f"{EVENTS}?per_page=100"), roles),
    "GET /api/v1/permissions": Budget(1, mighty("/api/v1/permissions")),
    "GET /api/v1/roles": Budget(3, mighty(f"{ROLES}?per_page=100"), roles),
    "POST /api/v1/roles": Budget(8, lambda s: partial(s.mighty.post, ROLES, {"name": "help-desk"})),
    "GET /api/v1/roles/<id:role_id>": Budget(2, lambda s: partial(s.mighty.get, s.role), roles),
    "PATCH /api/v1/roles/<id:role_id>": Budget(
        7, lambda s: partial(s.mighty.patch, s.role, {"permissions": ["users:read"]})
    ),
    "DELETE /api/v1/roles/<id:role_id>": Budget(8, lambda s: partial(s.mighty.delete, s.role)),
    "GET /api/v1/users": Budget(3, mighty(f"{USERS}?per_page=100")),
    "POST /api/v1/users": Budget(18, lambda s: partial(s.mighty.post, USERS, s.new)),
    "GET /api/v1/users/<id:user_id>": Budget(2, lambda s: partial(s.mighty.get, s.user)),
    "PUT /api/v1/users/<id:user_id>": Budget(
        19, lambda s: partial(s.mighty.put, s.user, {"username": "newcomer", "email": "newcomer@people.test"})
    ),
    "PATCH /api/v1/users/<id:user_id>": Budget(
        27, lambda s: partial(s.mighty.patch, s.user, {"is_active": False, "roles": []})
    ),
    "DELETE /api/v1/users/<id:user_id>": Budget(17, lambda s: partial(s.mighty.delete, s.user), sessions),
    "DELETE /api/v1/users/<id:user_id>/mfa": Budget(
        23, lambda s: partial(reauthenticated(s.api, s.helper).delete, f"{s.holding}/mfa"), sessions
    ),
    "POST /api/v1/users/<id:user_id>/impersonate": Budget(
        12, lambda s: partial(s.impersonator.post, f"{s.user}/impersonate", {"reason": "They asked."}), sessions
    ),
    "POST /api/v1/users/<id:user_id>/restore": Budget(11, lambda s: partial(s.mighty.post, f"{s.gone}/restore")),
    "POST /api/v1/users/<id:user_id>/sessions:revoke": Budget(
        10, lambda s: partial(s.mighty.post, f"{s.user}/sessions:revoke"), sessions
    ),
    "GET /api/v1/visits": Budget(3, anybody(VISITS), pages),
    "POST /api/v1/visits": Budget(7, lambda s: partial(s.api.post, VISITS), pages),
    "POST /auth/login": Budget(17, lambda s: partial(s.api.post, "/auth/login", s.login)),
    "POST /auth/logout": Budget(8, lambda s: partial(s.own.post, "/auth/logout?scope=global"), sessions),
    "POST /auth/login/mfa": Budget(22, lambda s: partial(s.api.post, "/auth/login/mfa", s.second_step), sessions),
    "GET /auth/mfa": Budget(2, lambda s: partial(s.holder.get, "/auth/mfa")),
    "POST /auth/mfa/totp": Budget(6, lambda s: partial(s.sure.post, "/auth/mfa/totp")),
    "POST /auth/mfa/totp/confirm": Budget(
        27, lambda s: partial(s.own.post, "/auth/mfa/totp/confirm", s.confirmation), sessions
    ),
    "DELETE /auth/mfa/totp": Budget(17, lambda s: partial(s.holder.delete, "/auth/mfa/totp"), sessions),
    "POST /auth/mfa/recovery-codes": Budget(10, lambda s: partial(s.holder.post, "/auth/mfa/recovery-codes")),
    "POST /auth/reauth": Budget(13, lambda s: partial(s.own.post, "/auth/reauth", {"password": PASSWORD})),
    "DELETE /auth/me": Budget(18, lambda s: partial(s.stepped_up.delete, "/auth/me"), sessions),
    "GET /auth/me/export": Budget(20, lambda s: partial(s.stepped_up.get, "/auth/me/export"), sessions),
    "GET /auth/me": Budget(1, mighty("/auth/me")),
    "PATCH /auth/me": Budget(11, lambda s: partial(s.own.patch, "/auth/me", {"first_name": "New"})),
    "POST /auth/password/change": Budget(21, lambda s: partial(s.own.post, "/auth/password/change", CHANGE), sessions),
    f"GET {PASSKEYS}": Budget(3, lambda s: partial(s.own.get, f"{PASSKEYS}?per_page=100"), passkeys),
    f"PATCH {PASSKEYS}/<uuid:passkey_id>": Budget(7, lambda s: partial(s.own.patch, s.passkey, {"name": "Other"})),
    f"DELETE {PASSKEYS}/<uuid:passkey_id>": Budget(18, lambda s: partial(s.sure.delete, s.passkey), sessions),
    f"POST {LOGIN}/options": Budget(2, lambda s: partial(s.api.post, f"{LOGIN}/options")),
    f"POST {LOGIN}/verify": Budget(17, lambda s: partial(s.api.post, f"{LOGIN}/verify", s.assertion), sessions),
    f"POST {REGISTER}/options": Budget(4, lambda s: partial(s.sure.post, f"{REGISTER}/options"), passkeys),
    f"POST {REGISTER}/verify": Budget(
        24, lambda s: partial(s.sure.post, f"{REGISTER}/verify", s.attestation), sessions
    ),
    "POST /auth/email/change": Budget(
        11, lambda s: partial(s.stepped_up.post, "/auth/email/change", {"new_email": "moved@people.test"}), sessions
    ),
    "POST /auth/email/change/confirm": Budget(24, posts("/auth/email/change/confirm", lambda s: s.change), sessions),
    "POST /auth/email/change/undo": Budget(26, posts("/auth/email/change/undo", lambda s: s.undo), sessions),
    "POST /auth/email/resend": Budget(8, posts("/auth/email/resend", lambda s: {"email": s.person.email})),
    "POST /auth/email/verify": Budget(12, posts("/auth/email/verify", lambda s: s.verification)),
    "POST /auth/password/forgot": Budget(8, posts("/auth/password/forgot", lambda s: {"email": s.person.email})),
    "POST /auth/password/reset": Budget(28, posts("/auth/password/reset", lambda s: s.reset), sessions),
    "GET /auth/oidc": Budget(0, anybody("/auth/oidc")),
    "GET /auth/oidc/<provider>/start": Budget(2, lambda s: partial(s.browser.open, "/auth/oidc/stranger/start")),
    "GET /auth/oidc/<provider>/callback": Budget(25, lambda s: partial(s.browser.open, s.coming_back)),
    "POST /auth/oidc/token": Budget(9, lambda s: partial(s.browser.exchange, s.oidc_code)),
    "POST /auth/oidc/<provider>/link": Budget(3, lambda s: partial(s.linked.post, "/auth/oidc/stranger/link")),
    "GET /auth/oidc/identities": Budget(2, lambda s: partial(s.linked.get, "/auth/oidc/identities")),
    "DELETE /auth/oidc/identities/<uuid:identity_id>": Budget(
        8, lambda s: partial(s.linked.delete, f"/auth/oidc/identities/{s.identity}")
    ),
    "POST /auth/refresh": Budget(
        7, lambda s: partial(s.api.post, "/auth/refresh", {"refresh_token": s.person.refresh_token})
    ),
    "POST /auth/register": Budget(18, lambda s: partial(s.api.post, "/auth/register", s.new)),
    "GET /auth/sessions": Budget(3, lambda s: partial(s.own.get, "/auth/sessions?per_page=100"), sessions),
    "DELETE /auth/sessions": Budget(8, lambda s: partial(s.own.delete, "/auth/sessions"), sessions),
    "DELETE /auth/sessions/<uuid:session_id>": Budget(7, lambda s: partial(s.own.delete, s.session)),
    "GET /docs": Budget(0, anybody("/docs")),
    "GET /health": Budget(0, anybody("/health")),
    "GET /healthz": Budget(0, anybody("/healthz")),
    "GET /metrics": Budget(16, lambda s: partial(s.metrics.get, "/metrics")),
    "GET /openapi.json": Budget(0, anybody("/openapi.json")),
    "GET /openapi.yaml": Budget(0, anybody("/openapi.yaml")),
    "GET /readiness": Budget(3, anybody("/readiness")),
    "GET /signed-in": Budget(0, anybody("/signed-in")),
    "GET /setup": Budget(0, anybody("/setup?code=x")),
    "POST /setup": Budget(19, lambda s: partial(s.api.post, "/setup", data=s.setup, headers=FORM)),
    "GET /change-email": Budget(0, anybody("/change-email?token=x")),
    "POST /change-email": Budget(24, sends("/change-email", lambda s: s.change), sessions),
    "GET /reset-password": Budget(0, anybody("/reset-password?token=x")),
    "POST /reset-password": Budget(28, sends("/reset-password", lambda s: s.reset), sessions),
    "GET /undo-email": Budget(0, anybody("/undo-email?token=x")),
    "POST /undo-email": Budget(26, sends("/undo-email", lambda s: s.undo), sessions),
    "GET /verify-email": Budget(0, anybody("/verify-email?token=x")),
    "POST /verify-email": Budget(12, sends("/verify-email", lambda s: s.verification)),
    "GET /static/<path:filename>": Budget(0, anybody("/static/icon.svg")),
}


class TestQueryBudget:
    @pytest.mark.parametrize("route", BUDGETS)
    def test_is_kept_and_is_the_same_for_few_and_for_many(self, world: World, route: str) -> None:
        budget = BUDGETS[route]

        few, many = (budget.spend(world, number) for number in (FEW, MANY))

        assert len(many) == len(few), many
        assert len(many) <= budget.statements, many

    def test_is_set_for_every_route(self, world: World) -> None:
        routes = {
            f"{method} {rule.rule}"
            for rule in world.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

        assert BUDGETS.keys() == routes
