"""Traffic limits: so many requests a minute for each user, each API key, or each address that is not signed in.

Guesses of passwords and codes are not limited here but in the database (``features/auth/throttle.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass

from limits import parse

from app.core import origin
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import TooMany
from app.core.network import client_network
from app.infra import hits, metrics
from app.web import headers
from app.web.declaration import Declaration, V, declare


@dataclass(frozen=True, slots=True)
class Policy:
    """A quota of ``amount`` in ``seconds``, by the name that clients see."""

    name: str
    amount: int
    seconds: int


_policies: dict[str, Policy] = {}
_workers = 1


def connect(settings: Settings) -> None:
    """Read the quotas; with RATELIMIT_SCALE=0 there are none."""
    global _workers  # noqa: PLW0603 -- set once during assembly
    _workers = settings.workers * settings.replicas
    _policies.clear()
    if settings.ratelimit_scale == 0:
        return
    for name, written in {
        "default": settings.ratelimit_default,
        "anonymous": settings.ratelimit_anonymous,
        "login": settings.ratelimit_login,
    }.items():
        item = parse(written)
        _policies[name] = Policy(name, max(1, int(item.amount * settings.ratelimit_scale)), item.get_expiry())


def limited(*names: str) -> Callable[[V], V]:
    """Declare quotas of this view that come on top of the general one."""
    return declare(limits=names)


def exempt(view: V) -> V:
    """Declare that a view is not limited: probes, which must answer whatever happens."""
    return declare(exempt=True)(view)


def spend(declaration: Declaration, caller: Caller | None) -> None:
    """Count this request against each quota that holds for it; raise TooMany beyond one."""
    if not _policies or declaration.exempt:
        return
    who = caller.counted_as if caller else f"address:{client_network(origin.current().ip)}"
    general = "default" if caller else "anonymous"
    spent = [_spend_one(_policies[name], who) for name in (general, *declaration.limits)]
    _announce(spent)
    for policy, hit, allowed in spent:
        if hit.count > allowed:
            metrics.request_refused(policy.name)
            raise TooMany(
                retry_after=hit.reset_after,
                message=f"Too many requests: {policy.amount} in {policy.seconds} s. Wait as long as Retry-After says.",
            )


_Spent = tuple[Policy, hits.Hits, int]


def _spend_one(policy: Policy, who: str) -> _Spent:
    hit = hits.add(f"{policy.name}:{who}", seconds=policy.seconds)
    # A count that the workers do not share is held to each one's part of the quota.
    return policy, hit, policy.amount if hit.shared else max(1, policy.amount // _workers)


def _announce(spent: list[_Spent]) -> None:
    """Say what is left of each quota (IETF draft-ietf-httpapi-ratelimit-headers), and of the tightest as of old."""
    policy, hit, allowed = min(spent, key=lambda one: one[2] - one[1].count)
    remaining = str(max(0, allowed - hit.count))
    headers.add(
        ("RateLimit-Policy", ", ".join([f'"{p.name}";q={p.amount};w={p.seconds}' for p, _, _ in spent])),
        ("RateLimit", ", ".join([f'"{p.name}";r={max(0, part - h.count)};t={h.reset_after}' for p, h, part in spent])),
        ("X-RateLimit-Limit", str(policy.amount)),
        ("X-RateLimit-Remaining", remaining),
        ("X-RateLimit-Reset", str(hit.reset_after)),
    )
