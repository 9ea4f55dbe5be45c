"""Mails that tell people what was done to their account, so that they notice what they did not do.

What a stranger chooses never gets into a mail as it is: a user agent is put into words of our own.
"""

import re
from datetime import datetime, timedelta

from sqlalchemy import select

from app.core import clock, origin
from app.core.network import client_network
from app.features.accounts import service as accounts
from app.features.auth.links import Person
from app.features.auth.models import Session
from app.features.mail import service as mail
from app.infra import db

_KNOWN_DAYS = 30
_LOOKED_AT = 200
_VERSIONS = re.compile(r"[\d._]+")
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "a Mac",
    "Linux": "Linux",
}


def password_changed(person: Person) -> None:
    """Tell somebody that their password is another one."""
    _send("password_changed", person)


def token_reused(user_id: int) -> None:
    """Tell somebody that one of their sessions was ended because its refresh token was used twice."""
    _send("token_reused", accounts.find_user(user_id))


def new_device(person: Person) -> None:
    """Tell somebody that they signed in where they did not lately. Ask before the session begins.

    A device is a browser, whatever its version, in a network. The first sign-in of all is no news.
    """
    seen = (
        db.session()
        .execute(
            select(Session.ip, Session.user_agent, Session.created_at)
            .where(Session.user_id == person.id, Session.impersonator_id.is_(None))
            .order_by(Session.id.desc())
            .limit(_LOOKED_AT)
        )
        .all()
    )
    since = clock.now() - timedelta(days=_KNOWN_DAYS)
    source = origin.current()
    known = {_device(row.ip, row.user_agent) for row in seen if row.created_at > since}
    if seen and _device(source.ip, source.user_agent) not in known:
        _send("new_device", person)


def in_words(user_agent: str | None) -> str:
    """Name the browser and the system of a user agent, as far as they are well known."""
    said = user_agent or ""
    browser = next((name for sign, name in _BROWSERS.items() if sign in said), "an unknown program")
    system = next((name for sign, name in _SYSTEMS.items() if sign in said), "")
    return f"{browser} on {system}" if system else browser


def _send(template: str, person: Person | None) -> None:
    source = origin.current()
    context = {
        "when": _in_utc(clock.now()),
        "ip": source.ip or "unknown",
        "device": in_words(source.user_agent),
    }
    mail.send(template, to=person.email if person else None, user_id=person.id if person else None, context=context)


def _device(ip: str | None, user_agent: str | None) -> tuple[str, str]:
    return client_network(ip), _VERSIONS.sub("", user_agent or "")


def _in_utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
