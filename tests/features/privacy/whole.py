"""Somebody with a row in every table that knows people, and everything that is stored anywhere."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, LargeBinary, String, insert, select, update

from app.core import clock
from app.core.ids import uuid7
from app.features.accounts.models import User
from app.features.api_keys.models import ApiKey
from app.features.auth.models import OneTimeCode, Session
from app.features.factors.models import Passkey, RecoveryCode, Totp
from app.features.jobs.models import Job
from app.features.mail.models import Mail
from app.features.oidc.models import Identity
from app.infra import db, personal
from app.infra.columns import Model
from tests.api import Person, a_user

CANARY = "Zorglub-Canary"
MOMENT = datetime(1987, 6, 5, 4, 3, 2, tzinfo=UTC)
NUMBER = 198_706_050_403
NEEDLES = (CANARY, "datetime(1987, 6, 5, 4, 3, 2", str(NUMBER))
"""What is searched for: a text, a time and a number that nothing else holds."""


def a_person_with_everything() -> Person:
    """Make somebody of whom every table holds something, with a canary in every personal column that can hold one."""
    person = a_user()
    give_everything(person)
    return person


def give_everything(person: Person) -> None:
    """Let every table hold something of somebody who may be signed in."""
    now = clock.now()
    times = {"created_at": now, "expires_at": now + timedelta(days=30)}
    owned: dict[type[Model], dict[str, Any]] = {
        Session: {**times, "rotated_at": now, "auth_time": now, "last_used_at": now, "methods": [], "gen": 0},
        OneTimeCode: {**times, "hash": "a hash", "purpose": "reset_password"},
        ApiKey: {**times, "prefix": "ck_prefix", "hash": "another hash", "scopes": ["users:read"]},
        Totp: {},
        RecoveryCode: {"hash": "a third hash"},
        Passkey: {"sign_count": 0, "transports": [], "backed_up": False},
        Identity: {},
        Mail: {"status": "pending", "attempts": 0, "due_at": now},
        Job: {"status": "dead", "task": "made.up", "attempts": 1, "due_at": now},
    }
    with db.unit_of_work():
        for model, row in owned.items():
            key = {"id": uuid7()} if "id" in model.__table__.c else {}
            db.session().execute(insert(model).values({**key, **row, **_canaries(model), "user_id": person.id}))
        db.session().execute(update(User).where(User.id == person.id).values(**_canaries(User)))


def stored() -> dict[str, str]:
    """Return all that each table holds, as text to search in; what is encrypted is opened."""
    with db.unit_of_work(writes=False):
        return {
            name: repr([tuple(row) for row in db.session().execute(select(table))])
            for name, table in Model.metadata.tables.items()
        }


def holders_of(*needles: str) -> set[str]:
    """Return the tables that hold any of this anywhere."""
    return {name for name, text in stored().items() if any(needle in text for needle in needles)}


def _canaries(model: type[Model]) -> dict[str, Any]:
    mine = [column for column in personal.columns() if column.table is model.__table__]
    return {column.name: canary for column in mine if (canary := _canary(column)) is not None}


def _canary(column: Column[Any]) -> Any:
    kind = getattr(column.type, "impl", column.type)
    made: dict[type[Any], Any] = {
        LargeBinary: CANARY.encode() + column.name.encode(),
        JSON: {"held": CANARY} if column.name == "detail" else [CANARY],
        String: f"{CANARY}-{column.name}"[: getattr(kind, "length", None)],
        DateTime: MOMENT,
        BigInteger: NUMBER,
    }
    return next((canary for one, canary in made.items() if isinstance(kind, one)), None)
