"""Every route × every kind of caller, against the reviewed table in docs/access-matrix.md."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.core.caller import OPERATOR
from app.core.paging import PageRequest
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.infra import db
from tests.api import Api, Person, a_role, a_user, an_admin
from tests.features.auth.passkeys import a_passkey
from tests.features.factors.authenticator import Authenticator
from tests.stepup import a_key, proven, with_key
from tests.world import PASSWORD, World

TABLE = Path(__file__).parents[2] / "docs" / "access-matrix.md"
CALLERS = ("anonymous", "user", "reader", "administrator", "disabled", "dead", "key")
MISSING_ID = 10**9
MISSING_UUID = "01a1fdc7-35e3-765e-a8f3-a4af1ed90d2f"


@dataclass(frozen=True)
class Row:
    method: str
    path: str
    about: str
    statuses: dict[str, int]


def _rows() -> list[Row]:
    lines = [line.strip("| ").split("|") for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip(" `") for cell in line] for line in lines[1:]]
    return [
        Row(method, path, about, dict(zip(CALLERS, map(int, statuses), strict=True)))
        for method, path, about, *statuses in cells
    ]


ROWS = _rows()
CASES = [
    pytest.param(row, caller, id=f"{row.method} {row.path} {row.about or 'there'} as {caller}")
    for row in ROWS
    for caller in CALLERS
]


def _anonymous(api: Api) -> tuple[Api, Person]:
    return api, a_user()


def _signed_in(api: Api, roles: tuple[str, ...]) -> tuple[Api, Person]:
    person = a_user(roles=roles)
    return api.as_(person), person


def _disabled(api: Api) -> tuple[Api, Person]:
    signed_in, person = _signed_in(api, ("user",))
    with db.unit_of_work():
        accounts.change(user_id=person.id, changes={"is_active": False}, guard=lambda _version: None, by=OPERATOR)
    return signed_in, person


def _dead(api: Api) -> tuple[Api, Person]:
    signed_in, person = _signed_in(api, ("user",))
    assert signed_in.post("/auth/logout").status_code == 204
    return signed_in, person


def _key(api: Api) -> tuple[Api, Person]:
    owner = a_user(roles=("admin",))
    key = a_key(api, owner)
    owner.access_token = owner.refresh_token = None
    return with_key(api, key), owner


WHO: dict[str, Callable[[Api], tuple[Api, Person]]] = {
    "anonymous": _anonymous,
    "user": lambda api: _signed_in(api, ("user",)),
    "reader": lambda api: _signed_in(api, (a_role("users:read", "roles:read", "audit:read"),)),
    "administrator": lambda api: _signed_in(api, ("admin",)),
    "disabled": _disabled,
    "dead": _dead,
    "key": _key,
}


def _body(row: Row, person: Person) -> Any:
    if row.path == "/auth/login":
        return {"username": a_user().username, "password": PASSWORD}
    return {
        "POST /api/v1/api-keys": {"name": "a program", "scopes": []},
        "POST /api/v1/roles": {"name": "made", "permissions": ["users:read"]},
        "PATCH /api/v1/roles/{role_id}": {"description": "Changed."},
        "POST /api/v1/users": {"username": "made", "email": "made@people.test"},
        "PUT /api/v1/users/{user_id}": {"username": "changed", "email": "changed@people.test"},
        "PATCH /api/v1/users/{user_id}": {"first_name": "Changed"},
        "POST /api/v1/users/{user_id}/impersonate": {"reason": "They asked for help."},
        "POST /api/v1/visits": {"page": "/"},
        "POST /auth/login/mfa": {"mfa_token": "unknown", "code": "000000"},
        "POST /auth/mfa/totp/confirm": {"code": "000000"},
        "POST /auth/reauth": {"password": PASSWORD},
        "POST /auth/email/change": {"new_email": "changed@people.test"},
        "POST /auth/email/change/confirm": {"token": "wrong"},
        "POST /auth/email/change/undo": {"token": "wrong"},
        "POST /auth/email/resend": {"email": person.email},
        "POST /auth/email/verify": {"token": "wrong"},
        "PATCH /auth/me": {"first_name": "Changed"},
        "PATCH /auth/passkeys/{passkey_id}": {"name": "Changed"},
        "POST /auth/passkeys/login/verify": {"credential": Authenticator().get({"challenge": "none"})},
        "POST /auth/password/change": {"current_password": PASSWORD, "new_password": "Another-Horse-8-Battery"},
        "POST /auth/password/forgot": {"email": person.email},
        "POST /auth/password/reset": {"token": "wrong", "new_password": "Another-Horse-8-Battery"},
        "POST /auth/oidc/token": {"code": "unknown"},
        "POST /auth/refresh": {"refresh_token": person.refresh_token or "none"},
        "POST /auth/register": {"username": "new1", "email": "new1@people.test", "password": PASSWORD},
    }.get(f"{row.method} {row.path}")


def _path(row: Row, api: Api) -> str:
    """Name something that is there, or is not, as the row says; what the path does not name is not made."""
    if "missing" in row.about:
        return row.path.format(role_id=MISSING_ID, user_id=MISSING_ID)
    ids: dict[str, Any] = {"identity_id": MISSING_UUID, "provider": "nobody"}
    if "{role_id}" in row.path:
        spare = a_role("users:read")
        roles = access.list_roles(page=PageRequest(per_page=100)).items
        ids["role_id"] = next(role.id for role in roles if role.name == spare)
    if any(name in row.path for name in ("{user_id}", "{session_id}", "{passkey_id}", "{key_id}")):
        ids |= _ids_of(a_user(), row, api)
    return row.path.format(**ids)


def _ids_of(there: Person, row: Row, api: Api) -> dict[str, Any]:
    """Make what the path names of a person."""
    if row.about == "deleted":
        with db.unit_of_work():
            accounts.delete(user_id=there.id, guard=lambda _version: None, by=OPERATOR)
    ids: dict[str, Any] = {"user_id": there.id}
    if "{session_id}" in row.path:
        ids["session_id"] = api.as_(there).get("/auth/sessions").result[0]["id"]
    if "{passkey_id}" in row.path:
        ids["passkey_id"] = a_passkey(there)
    if "{key_id}" in row.path:
        ids["key_id"] = a_key(api, there)["id"]
    return ids


class TestAccessMatrix:
    @pytest.mark.parametrize(("row", "caller"), CASES)
    def test_each_caller_gets_what_the_table_says(self, row: Row, caller: str, api: Api) -> None:
        path = _path(row, api)
        client, person = WHO[caller](api)
        if "reauthenticated" in row.about:
            proven(person)
            an_admin()  # the last one may not leave

        answer = client.send(row.method, path, _body(row, person))

        assert answer.status_code == row.statuses[caller], answer.text[:300]

    def test_every_route_is_in_the_table(self, world: World) -> None:
        routes = {
            (method, _described(rule.rule))
            for rule in world.app.url_map.iter_rules()
            if rule.endpoint != "static"
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

        assert routes == {(row.method, row.path) for row in ROWS}


def _described(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
