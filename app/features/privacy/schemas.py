"""How personal data looks on the wire."""

from typing import Any

from app.web.schemas import Out, Timestamp

Row = dict[str, Any]
"""A row as it is stored, by the names of its columns: what is added to a table is shown without being named here."""


class EventsOut(Out):
    """The newest of the events by or about somebody, at most 10 000, and how many there are."""

    total: int
    newest: list[Row]


class ExportOut(Out):
    """Everything held of the caller, but secrets and hashes of secrets."""

    exported_at: Timestamp
    profile: Row
    roles: list[str]
    sessions: list[Row]
    links: list[Row]
    api_keys: list[Row]
    totp: list[Row]
    recovery_codes: list[Row]
    passkeys: list[Row]
    identities: list[Row]
    mails: list[Row]
    jobs: list[Row]
    audit_events: EventsOut


class LeavingOut(Out):
    """When the account was deleted, and from when on nothing of it is left."""

    deleted_at: Timestamp
    erased_after: Timestamp
