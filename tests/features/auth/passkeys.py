"""People with passkeys."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from app.core.ids import UUID, uuid7
from app.features.auth.models import OneTimeCode
from app.features.factors.models import Passkey
from app.infra import db
from tests.api import Answer, Api, Person
from tests.features.factors.authenticator import Authenticator, Json
from tests.stepup import stepped_up

REGISTER, LOGIN, PASSKEYS = "/auth/passkeys/register", "/auth/passkeys/login", "/auth/passkeys"


def creation(hers: Api) -> Json:
    answer = hers.post(f"{REGISTER}/options")
    assert answer.status_code == 200, answer.text
    return dict(answer.result)


def request(api: Api) -> Json:
    answer = api.post(f"{LOGIN}/options")
    assert answer.status_code == 200, answer.text
    return dict(answer.result)


def register(hers: Api, device: Authenticator, name: str = "My phone") -> Answer:
    return hers.post(f"{REGISTER}/verify", {"credential": device.create(creation(hers)), "name": name})


def a_device(api: Api, person: Person, **bent: object) -> Authenticator:
    """Return an authenticator that is registered with somebody's account."""
    device = Authenticator(**bent)  # type: ignore[arg-type]  # a test bends any field
    assert register(stepped_up(api, person), device).status_code == 201
    return device


def a_passkey(person: Person, **columns: Any) -> UUID:
    """Put a passkey into the database that no device has, and return its id."""
    made = uuid7()
    kept = {"sign_count": 0, "transports": [], "aaguid": str(UUID(int=0)), "backed_up": False, "name": "Lost"}
    with db.unit_of_work():
        key = Passkey(id=made, user_id=person.id, credential_id=made.bytes, public_key=b"none", **kept | columns)
        db.session().add(key)
    return made


def login(api: Api, device: Authenticator) -> Answer:
    return api.post(f"{LOGIN}/verify", {"credential": device.get(request(api))})


def passkeys_of(person: Person) -> Sequence[Passkey]:
    with db.unit_of_work(writes=False):
        return db.session().scalars(select(Passkey).where(Passkey.user_id == person.id).order_by(Passkey.id)).all()


def half_way(api: Api, person: Person) -> str:
    """Return the token of a sign-in that waits for a second factor."""
    answer = api.post("/auth/login", {"username": person.username, "password": person.password})
    return str(answer.result["mfa_token"])


def challenged_by(api: Api, person: Person) -> Json:
    """Return options whose challenge is for this person only."""
    return dict(api.post(f"{LOGIN}/options", {"mfa_token": half_way(api, person)}).result)


def challenges() -> int:
    """Count the challenges that are kept."""
    with db.unit_of_work(writes=False):
        kept = OneTimeCode.purpose.startswith("passkey_")
        return len(db.session().scalars(select(OneTimeCode.hash).where(kept)).all())
