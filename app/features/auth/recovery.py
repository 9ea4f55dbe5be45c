"""Getting back in without the password, and setting a first one."""

from collections.abc import Callable
from datetime import timedelta

from app.core.caller import Caller
from app.features.accounts import service as accounts
from app.features.api_keys import service as api_keys
from app.features.audit import service as audit
from app.features.auth import links, notices, sessions, throttle
from app.features.auth.verification import PENDING, Pending, send_verification
from app.features.factors import service as factors
from app.infra import db

Reclaimed = Callable[[int], object]
_reclaimed: list[Reclaimed] = []

_WELCOME_LIFETIME = timedelta(hours=24)


def when_reclaimed(act: Reclaimed) -> None:
    """Let those above forget what somebody else set up in an account before the owner of its address came."""
    if act not in _reclaimed:
        _reclaimed.append(act)


def forgot_password(*, email: str) -> Pending:
    """Mail a link to set a new password, if the address is somebody's; the answer and its time tell nobody.

    Beyond three an hour the last link stays good and no more mail leaves.
    """
    throttle.reserve(throttle.letters_from_here("forgot"))
    person = accounts.find_addressee(email)
    allowed = throttle.reserve_letter("forgot", accounts.address_key(email))
    send_reset(person if allowed and person is not None and person.is_active else None)
    return PENDING


def send_reset(person: accounts.Addressee | None, *, template: str = "reset_password") -> None:
    """Mail a link to set a new password; for nobody the same is done."""
    links.send(links.RESET, template, to=person)


def reset_password(*, token: str, new: str) -> None:
    """Set a new password by a link, end all sessions, and note that the address is proven.

    A password that is refused leaves the link good. Nobody is signed in by it, and a second factor stays asked for.
    If the address is proven only now, what else lets in was perhaps not set up by its owner, and is forgotten.
    """
    guesses = throttle.link("reset")
    throttle.reserve(guesses)
    link = links.open_link(links.RESET, token)
    person = link.person
    db.after_rollback(lambda: throttle.release(guesses))  # the link was right, whatever the password is
    hashed = accounts.hash_new_password(new, hints=(person.email, person.username), field="new_password")
    if not accounts.reset_password(person, password_hash=hashed):
        raise links.InvalidLink
    if not person.email_verified:
        _reclaim(person.id)
    links.spend(link)
    links.void(person.id, links.RESET, links.VERIFY, links.CHANGE)
    throttle.release((*guesses, *throttle.of_account(person.id)))
    owner = Caller(user_id=person.id)
    audit.record("authn_password_change", target=("user", person.id), actor=owner, detail={"by": "reset"})
    sessions.revoke_all(user_id=person.id, reason="password_reset", by=owner)
    notices.password_changed(person)


def _reclaim(user_id: int) -> None:
    """Forget what alone lets into an account whose address nobody had proven: a stranger may have made it in wait.

    An authenticator app lets nobody in by itself, so it stays asked for.
    """
    factors.remove_passkeys(user_id)
    accounts.set_mfa_enabled(user_id, enabled=factors.holdings_of(user_id).any)
    api_keys.revoke_all(user_id=user_id, reason="reclaimed")
    for act in _reclaimed:
        act(user_id)


def welcome(person: accounts.Profile, has_password: bool) -> None:  # noqa: FBT001 -- what accounts tell
    """Mail somebody whom an administrator made: a link to set their password, or to prove their address."""
    if not person.is_active:
        return
    if has_password:
        send_verification(person)
    else:
        links.send(links.RESET, "welcome_set_password", to=person, lifetime=_WELCOME_LIFETIME)
