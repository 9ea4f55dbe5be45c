from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import insert

from app.features.accounts.models import User
from app.features.audit.models import AuditEvent
from app.features.factors.models import Passkey
from app.features.visits.models import VisitCount
from app.infra import checksums, db
from app.infra.checksums import Checksum
from app.infra.columns import Model

pytestmark = pytest.mark.usefixtures("world")

AT = datetime(2026, 1, 9, 12, 30, 15, 123000, tzinfo=UTC)

EVENT = {
    "seq": 2**40,
    "id": UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    "at": AT,
    "event": "authn_login_success",
    "outcome": "success",
    "ip": None,
    "user_agent": "Ünïcode \N{GRINNING FACE}",
    "detail": {"b": 1, "a": [None, True, 1.5, "é"]},
    "hash": "0" * 64,
}

USER = {
    "id": 5_000_000,
    **dict.fromkeys(
        ("username", "username_key", "email", "email_key", "first_name", "last_name", "search_text"), "ada"
    ),
    "is_active": True,
    "version": 1,
    "created_at": AT,
    "updated_at": AT,
}

PASSKEY = {
    "user_id": 5_000_000,
    "id": UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
    "credential_id": b"\x00\xff",
    "public_key": b"",
    "sign_count": 0,
    "transports": [],
    "aaguid": "",
    "backed_up": True,
    "name": "key",
    "created_at": AT,
}

Row = Mapping[str, object]


def of(model: type[Model], *rows: Row) -> Checksum:
    """Store rows and return the checksum of their table."""
    with db.engine().connect() as connection:
        for row in rows:
            connection.execute(insert(model), row)
        found = checksums.of(connection, model.__table__)  # type: ignore[arg-type]
        connection.rollback()
    return found


class TestChecksum:
    """The literal numbers are the same in both worlds: that is what they are for."""

    def test_of_times_json_and_uuids_is_the_same_on_both_databases(self) -> None:
        assert str(of(AuditEvent, EVENT)) == "06c5198446d802af"

    def test_of_bytes_and_booleans_is_the_same_on_both_databases(self) -> None:
        with db.engine().begin() as connection:
            connection.execute(insert(User), USER)

        assert str(of(Passkey, PASSKEY)) == "f04a753e23e61939"

    def test_of_days_is_the_same_on_both_databases(self) -> None:
        assert str(of(VisitCount, {"day": date(2026, 1, 9), "page": "/", "n": 3})) == "06aadda5f7b98dae"

    def test_knows_no_order(self) -> None:
        one, other = ({"day": date(2026, 1, day), "page": "/", "n": day} for day in (1, 2))

        assert of(VisitCount, one, other) == of(VisitCount, other, one)

    @pytest.mark.parametrize(
        "changed",
        [
            {"detail": {"b": 1, "a": [None, True, 1.5, "e"]}},
            {"detail": {"b": 1}},
            {"at": AT.replace(microsecond=124000)},
            {"ip": ""},
            {"user_agent": None},
            {"seq": 2**40 + 1},
        ],
    )
    def test_sees_every_change(self, changed: Row) -> None:
        assert of(AuditEvent, EVENT) != of(AuditEvent, {**EVENT, **changed})

    def test_sees_a_row_that_is_missing(self) -> None:
        one, other = ({"day": date(2026, 1, day), "page": "/", "n": day} for day in (1, 2))

        assert of(VisitCount, one) != of(VisitCount, one, other)
