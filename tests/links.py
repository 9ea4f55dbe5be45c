"""Links that people got by mail, and people who proved lately that it is them."""

from typing import Any

from sqlalchemy import select

from app.features.auth.models import OneTimeCode
from app.infra import db
from tests.api import Answer, Api, Person
from tests.mails import letters
from tests.stepup import stepped_up

NEW_PASSWORD = "Another-Horse-8-Staple"


def reset_link(api: Api, person: Person) -> str:
    """Return the code of a link to set a new password."""
    assert api.post("/auth/password/forgot", {"email": person.email}).status_code == 202
    return letters("reset_password")[-1].token


def verify_link(api: Api, person: Person) -> str:
    """Return the code of a link to prove an address."""
    assert api.post("/auth/email/resend", {"email": person.email}).status_code == 202
    return letters("verify_email")[-1].token


def ask_to_move(api: Api, person: Person, new_email: str) -> Answer:
    """Ask for a change of address."""
    return stepped_up(api, person).post("/auth/email/change", {"new_email": new_email})


def change_link(api: Api, person: Person, new_email: str) -> str:
    """Return the code of a link that changes an address."""
    assert ask_to_move(api, person, new_email).status_code == 202
    return letters("email_change")[-1].token


def move(api: Api, person: Person, new_email: str) -> str:
    """Change an address; return the code of the link that undoes it."""
    token = change_link(api, person, new_email)
    assert api.post("/auth/email/change/confirm", {"token": token}).status_code == 204
    person.email = new_email
    return letters("email_changed")[-1].token


def reset(api: Api, token: str, password: Any = NEW_PASSWORD) -> Answer:
    """Set a new password by a link."""
    return api.post("/auth/password/reset", {"token": token, "new_password": password})


def codes() -> list[OneTimeCode]:
    """Return all codes that are kept, oldest first."""
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(OneTimeCode).order_by(OneTimeCode.created_at)).all())
