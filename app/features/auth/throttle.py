"""Guesses are reserved before they are checked, in the main database: exactly as many are checked as allowed.

One upsert counts (measured: 40 parallel guesses, limit 5, five checked, on both databases). Names of buckets are
HMACs, so that the table tells nobody's address. A Redis outage neither opens nor closes sign-in.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

from limits import parse
from sqlalchemy import case, delete, update

from app.core import clock, origin
from app.core.config import Settings
from app.core.errors import TooMany
from app.core.keyring import Keyring
from app.core.network import client_network
from app.features.audit import service as audit
from app.features.auth.models import ThrottleBucket
from app.infra import db, metrics
from app.infra.owed import Owed

MINUTE, HOUR, DAY = 60, 3600, 86_400
_LETTERS = 200


class TooManyAttempts(TooMany):
    """Too many guesses; even the right one is refused now."""

    code = "TOO_MANY_ATTEMPTS"
    message = "Too many attempts. Wait as long as Retry-After says."


@dataclass(frozen=True, slots=True)
class Guess:
    """One counter: so many for one ``key`` in a window of so many seconds.

    A ``shared`` one also counts guesses at other accounts or at other places: success gives back only its own.
    """

    purpose: str
    key: str
    limit: int
    seconds: int
    shared: bool = False


_keyring: Keyring
_register_limit = 30
_register_seconds = MINUTE
_letters_limit = _LETTERS


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn the key of the HMACs, and how many may register or ask for letters."""
    global _keyring, _register_limit, _register_seconds, _letters_limit  # noqa: PLW0603 -- set once during assembly
    _keyring = keyring
    _owed.clear()
    item = parse(settings.ratelimit_register)
    scale = settings.ratelimit_scale
    _register_limit = max(1, int(item.amount * scale)) if scale else 0
    _register_seconds = item.get_expiry()
    _letters_limit = max(1, int(_LETTERS * scale)) if scale else 0


def sign_in(account: str, *, known_address: bool) -> tuple[Guess, ...]:
    """Return the counters of one attempt at an account from the present address.

    The account alone is counted only for addresses from which it was not used lately, so that strangers cannot
    lock its owner out.
    """
    address = client_network(origin.current().ip)
    guesses = (
        Guess("address", address, 50, 15 * MINUTE, shared=True),
        Guess("pair", f"{account} {address}", 5, 15 * MINUTE),
    )
    return guesses if known_address else (*guesses, Guess("account", account, 100, DAY))


def second_factor(user_id: int, *, within: str) -> tuple[Guess, ...]:
    """Return the counters of one try at a second factor, within one sign-in that waits or one session.

    Who knows the password gets new sign-ins as they like, so the tries at an account are counted across them too.
    """
    return (
        Guess("mfa_try", within, 5, 15 * MINUTE),
        Guess("mfa", f"user:{user_id}", 20, HOUR, shared=True),
    )


def from_address() -> tuple[Guess, ...]:
    """Return the counter of one attempt that names no account: no signature is guessed, but checking one costs."""
    return (Guess("address", client_network(origin.current().ip), 50, 15 * MINUTE, shared=True),)


def registration() -> tuple[Guess, ...]:
    """Return the counter of registrations from the present address; none if RATELIMIT_SCALE is 0."""
    if _register_limit == 0:
        return ()
    return (Guess("register", client_network(origin.current().ip), _register_limit, _register_seconds),)


def link(kind: str) -> tuple[Guess, ...]:
    """Return the counter of links of a kind that are tried from the present address."""
    return (Guess(kind, client_network(origin.current().ip), 20, HOUR, shared=True),)


def of_account(user_id: int) -> tuple[Guess, ...]:
    """Return the counters of an account, to forget them once its owner proved who they are by mail."""
    return tuple(guess for guess in sign_in(f"user:{user_id}", known_address=False) if not guess.shared)


def email_change(user_id: int) -> tuple[Guess, ...]:
    """Return the counter of changes of address that somebody asks for: each mails whom they name."""
    return (Guess("change-email", str(user_id), 5, HOUR),)


def letters_from_here(kind: str) -> tuple[Guess, ...]:
    """Return the counter of letters that are asked for from the present address; none if RATELIMIT_SCALE is 0."""
    if _letters_limit == 0:
        return ()
    return (Guess(f"{kind}-from", client_network(origin.current().ip), _letters_limit, HOUR),)


def reserve_letter(kind: str, account: str) -> bool:
    """Count a letter that a stranger asks for; return whether the account gets one more this hour.

    Beyond, nothing is raised: that would tell who has an account.
    """
    with db.apart():
        return not _take(Guess(kind, account, 3, HOUR))


def reserve(guesses: tuple[Guess, ...]) -> None:
    """Count an attempt in each bucket, in a transaction of its own; raise TooManyAttempts at the first that is full."""
    if not guesses:
        return
    with db.apart():
        wait = _take_all(guesses)
    if wait:
        raise TooManyAttempts(retry_after=wait)


def release(guesses: tuple[Guess, ...]) -> None:
    """After a right guess: clear its counters; of shared ones give back the one reservation.

    An attacker's own sign-ins must not clear the counter of the address they attack from, nor the sign-ins of its
    owner the tries that others make at a second factor.
    """
    refund(tuple(guess for guess in guesses if guess.shared))
    clear(guesses)


def owe(guesses: tuple[Guess, ...]) -> None:
    """Refund these as soon as that is possible: the guess was right, and what failed was no fault of it.

    Without it five sign-ins while the database fails would shut their owner out for a quarter of an hour.
    """
    _owed.add(guesses)


def pay_back() -> None:
    """Refund what is owed, if that is possible now."""
    _owed.pay()


def _refund_apart(guesses: tuple[Guess, ...]) -> None:
    with db.unit_of_work():
        refund(guesses)


_owed = Owed(_refund_apart)


def refund(guesses: tuple[Guess, ...]) -> None:
    """After what was no wrong guess, and not the end of guessing either: give back the one reservation of each."""
    for guess in guesses:
        counted = ThrottleBucket.bucket == _name(guess), ThrottleBucket.n > 0
        db.session().execute(update(ThrottleBucket).where(*counted).values(n=ThrottleBucket.n - 1))


def clear(guesses: tuple[Guess, ...]) -> None:
    """Forget the counters that are not shared."""
    for guess in guesses:
        if not guess.shared:
            db.session().execute(delete(ThrottleBucket).where(ThrottleBucket.bucket == _name(guess)))


def forget_old() -> None:
    """Delete counters whose window ended long ago."""
    db.session().execute(delete(ThrottleBucket).where(ThrottleBucket.window_start <= clock.now() - timedelta(days=1)))


def _take_all(guesses: tuple[Guess, ...]) -> int:
    """Count one attempt in each; return how many seconds to wait, 0 if it may be checked.

    What a full counter refuses is not checked, so the shared ones before it get theirs back: somebody who knocks at
    one account on and on must not shut out whoever else comes from that address.
    """
    for place, guess in enumerate(guesses):
        if wait := _take(guess):
            refund(tuple(taken for taken in guesses[:place] if taken.shared))
            return wait
    return 0


def _take(guess: Guess) -> int:
    """Count one attempt; return how many seconds to wait, 0 if it may be checked."""
    now = clock.now()
    expired = ThrottleBucket.window_start <= now - timedelta(seconds=guess.seconds)
    statement = (
        db.upsert(ThrottleBucket)
        .values(bucket=_name(guess), n=1, window_start=now)
        .on_conflict_do_update(
            index_elements=[ThrottleBucket.bucket],
            set_={
                "n": case((expired, 1), else_=ThrottleBucket.n + 1),
                "window_start": case((expired, now), else_=ThrottleBucket.window_start),
            },
        )
        .returning(ThrottleBucket.n, ThrottleBucket.window_start)
    )
    row = db.session().execute(statement).one()
    if row.n <= guess.limit:
        return 0
    metrics.guess_refused(guess.purpose)
    if row.n == guess.limit + 1:
        audit.record("authn_login_lock", outcome="failure", detail={"counter": guess.purpose, "limit": guess.limit})
    left: timedelta = row.window_start + timedelta(seconds=guess.seconds) - now
    return max(1, math.ceil(left.total_seconds()))


def _name(guess: Guess) -> str:
    return f"{guess.purpose}:{_keyring.fingerprint('throttle', guess.key)}"
