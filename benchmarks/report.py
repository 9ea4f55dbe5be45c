"""The tables, as text that can be published as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.duel import Score, share_of_cost, share_of_rate

SERVICE, BARE = "service", "bare"

_HEAD = (
    f"{'':<44}{'requests/s':^25}{'CPU µs/request':^25}{'p50 / p99 ms':^30}{'core busy':^14}\n{'':<44}"
    + f"{'service':>9}{'bare':>8}{'ratio':>8}" * 2
    + f"{'service':>15}{'bare':>15}{'service':>8}{'bare':>6}"
)


@dataclass(frozen=True, slots=True)
class Result:
    """One kind of request: what each server scored."""

    title: str
    scores: Mapping[str, Score]


def print_duels(results: Sequence[Result]) -> None:
    """Print the service against the bare function."""
    print(_HEAD)
    for result in results:
        ours, limit = result.scores[SERVICE], result.scores[BARE]
        rate = share_of_rate(result.scores, SERVICE, BARE)
        cost = share_of_cost(result.scores, SERVICE, BARE)
        print(
            f"{result.title:<44}{ours.rate:9.0f}{limit.rate:8.0f}{rate:8.2f}"
            f"{_number(ours.cost):>9}{_number(limit.cost):>8}{_number(cost, '.2f'):>8}"
            f"{_latency(ours):>15}{_latency(limit):>15}{_percent(ours.busy):>8}{_percent(limit.busy):>6}"
        )
    print("\nratio: the service as a part of what the bare function reaches; 1.00 would be no cost at all.")
    print("Goals, by requests/s: GET /auth/me 0.33 or better, lists 0.90.")


def print_choices(result: Result) -> None:
    """Print what parts of the service cost, by the service without them."""
    print(f"What a part of it costs, on {result.title}")
    whole = result.scores[SERVICE]
    for name, score in result.scores.items():
        if name in {SERVICE, BARE}:
            continue
        less = "" if whole.cost is None or score.cost is None else f"  {score.cost - whole.cost:+6.0f} µs of CPU"
        print(f"  {name:<34}{score.rate:7.0f} requests/s, {score.rate / whole.rate:.2f} times the service's{less}")


def print_ceiling(result: Result) -> None:
    """Print how much load could be made, and whether that was the limit of the fastest measurement."""
    fastest = result.scores[BARE]
    own = median(fastest.own_costs)
    says = "which bounded the requests/s there" if own * fastest.rate > 0.9e6 else "more than any server here asked for"
    print(f"The load generator takes {own:.0f} µs of CPU a request: {1e6 / own:.0f} requests/s, {says}.")
    print("Where the core is not busy, a database or other work on this machine bounds requests/s: compare CPU.")


def print_disturbance(share: float) -> None:
    """Print how far the rates can be trusted."""
    print(f"Other work had the servers' core for {share:.0%} of the time; beyond a few percent, compare CPU only.")


def print_processes(resting: Mapping[str, float | None], at_last: Mapping[str, float | None]) -> None:
    """Print the memory of the workers, before and after people signed in."""
    for name, memory in resting.items():
        print(f"Memory of the worker, {name}: {_number(memory)} MiB, after signing in {_number(at_last[name])} MiB")


def print_starts(starts: Sequence[float]) -> None:
    """Print how long users wait for a server."""
    print(f"From the command to the first answer: {median(starts):.2f} s (median of {len(starts)} starts)")


def _number(value: float | None, form: str = ".0f") -> str:
    return "–" if value is None else format(value, form)


def _percent(parts: Sequence[float]) -> str:
    return f"{median(parts):.0%}" if parts else "–"


def _latency(score: Score) -> str:
    return f"{_short(score.p50)} / {_short(score.p99)}"


def _short(milliseconds: float) -> str:
    return format(milliseconds, ".1f" if milliseconds < 100 else ".0f")
