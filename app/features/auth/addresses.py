"""Changing one's address: a link to the new one makes the change, a link to the old one undoes it."""

from dataclasses import replace

from app.core import identifiers
from app.core.caller import Caller
from app.core.errors import Invalid
from app.core.ids import UUID
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import identity, links, sessions, throttle
from app.features.auth.recovery import send_reset
from app.features.auth.verification import PENDING, Pending


def request_email_change(*, caller: Caller, new_email: str) -> Pending:
    """Mail a link to the new address and a notice to the old one; nothing is changed yet.

    If the new address is another's, that one is told instead, and the answer is the same.
    """
    profile = identity.profile_of(caller)
    _check(new_email, profile)
    owner = accounts.find_addressee(new_email)
    theirs = owner is not None and owner.id != profile.id
    free = not theirs and not links.is_held(new_email, user_id=profile.id)
    throttle.reserve(throttle.email_change(profile.id))
    if free:
        detail = {"email": new_email, "session": str(caller.session_id)}
        links.send(links.CHANGE, "email_change", to=profile, address=new_email, detail=detail)
    else:
        # A link that is nobody's, which the mail does not show: this costs what a free address costs.
        told = owner.email if owner is not None and theirs and owner.is_active else None
        links.send(links.CHANGE, "email_taken", to=None, address=told)
    _send_undo("email_change_requested", profile, verified=profile.email_verified)
    return PENDING


def confirm_email_change(*, token: str) -> None:
    """Switch to the new address, which the link proved, or raise InvalidLink.

    Ends all sessions but the one that asked: whoever else is signed in came by the old way of recovery (OWASP ASVS
    5.0, 7.4.3). The old address is kept for its owner as long as they can undo this.
    """
    guesses = throttle.link("change")
    throttle.reserve(guesses)
    link = links.open_link(links.CHANGE, token)
    old, email, owner = link.person, link.detail["email"], Caller(user_id=link.person.id)
    if not accounts.move_address(old, email=email):
        raise links.InvalidLink
    links.spend(link)
    links.refuse_held(email, user_id=old.id)
    if old.email_verified:
        links.hold(old)
    links.void(old.id, links.RESET, links.VERIFY, links.CHANGE)
    throttle.release(guesses)
    detail = {"fields": ["email", "email_verified"], "by": "link"}
    audit.record("user_updated", target=("user", old.id), actor=owner, detail=detail)
    sessions.revoke_all(user_id=old.id, reason="email_change", keep=UUID(link.detail["session"]), by=owner)
    _send_undo("email_changed", old, verified=old.email_verified)


def undo_email_change(*, token: str) -> None:
    """Give the old address back, end all sessions, and mail a link for a new password, or raise InvalidLink.

    Whoever made the change may know the password, so it stops working. Earlier links to undo stay good, later ones
    end: of several changes in a row the first owner has the last word.
    """
    guesses = throttle.link("undo")
    throttle.reserve(guesses)
    link = links.open_link(links.UNDO, token)
    email, owner = link.detail["email"], Caller(user_id=link.person.id)
    if not accounts.take_back(link.person, email=email):
        raise links.InvalidLink
    links.spend(link)
    links.void(link.person.id, links.VERIFY, links.CHANGE)
    links.void(link.person.id, links.UNDO, since=link.created_at)
    throttle.release(guesses)
    detail = {"fields": ["email", "password"], "by": "undo"}
    audit.record("user_updated", target=("user", link.person.id), actor=owner, detail=detail)
    sessions.revoke_all(user_id=link.person.id, reason="email_undone", by=owner)
    send_reset(replace(link.person, email=email))


def _send_undo(template: str, person: links.Person, *, verified: bool) -> None:
    """Mail a link that undoes the change, if the address was proven: else a stranger may read its mail."""
    detail = {"email": person.email}
    links.send(links.UNDO, template, to=person if verified else None, detail=detail if verified else {"email": ""})


def _check(new_email: str, profile: accounts.Profile) -> None:
    try:
        identifiers.email_key(new_email)
    except Invalid as error:
        raise Invalid(details={"new_email": [identifiers.NOT_AN_EMAIL]}) from error
    if new_email == profile.email:
        raise Invalid(details={"new_email": ["This is your address already."]})
