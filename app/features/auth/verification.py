"""Proving that one reads the mail of one's address."""

from dataclasses import dataclass

from app.core.caller import Caller
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import links, throttle
from app.features.auth.links import Person


@dataclass(frozen=True, slots=True)
class Pending:
    """Said whether or not there is anything to wait for: who may know gets a mail."""

    status: str = "pending"
    message: str = "If this can be done, a mail is on its way. Follow its link."


PENDING = Pending()


def send_verification(person: Person | None) -> None:
    """Mail a link that proves the address of somebody; for nobody the same is done."""
    links.send(links.VERIFY, "verify_email", to=person)


def resend_verification(*, email: str) -> Pending:
    """Mail the link once more, unless the address is unknown or proven; the answer and its time tell nobody."""
    throttle.reserve(throttle.letters_from_here("resend"))
    person = accounts.find_addressee(email)
    allowed = throttle.reserve_letter("resend", accounts.address_key(email))
    waits = person is not None and person.is_active and not person.email_verified
    send_verification(person if allowed and waits else None)
    return PENDING


def verify_email(*, token: str) -> None:
    """Note that an address is its owner's, or raise InvalidLink."""
    guesses = throttle.link("verify")
    throttle.reserve(guesses)
    link = links.open_link(links.VERIFY, token)
    if link.person.email_verified or not accounts.prove_address(link.person):
        raise links.InvalidLink
    links.spend(link)
    throttle.release(guesses)
    user_id = link.person.id
    audit.record(
        "user_updated",
        target=("user", user_id),
        actor=Caller(user_id=user_id),
        detail={"fields": ["email_verified"], "by": "link"},
    )
