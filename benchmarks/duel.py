"""Two servers under the same load, turn about, so that whatever disturbs the machine disturbs both."""

import argparse
import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks.contestants import Contestant
from benchmarks.pressure import Load, Round

_WARM_UP_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how hard: rounds of so many seconds with so many connections."""

    rounds: int
    seconds: float
    connections: int


def let_choose(parser: argparse.ArgumentParser) -> None:
    """Let whoever runs a benchmark choose the pace."""
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of each round (1)")
    parser.add_argument("--connections", type=int, default=32, help="keep-alive connections (32)")


def chosen(options: argparse.Namespace) -> Pace:
    """Return the pace that was chosen."""
    return Pace(options.rounds, options.seconds, options.connections)


@dataclass(slots=True)
class Score:
    """What one server did, round by round. Processor time is in microseconds a request, latency in milliseconds."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    own_costs: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def add(self, seen: Round, cpu: float | None) -> None:
        """Take a round into account."""
        self.rates.append(seen.requests / seen.seconds)
        self.own_costs.append(seen.own_cpu / seen.requests * 1e6)
        self.latencies += seen.latencies
        if cpu is not None:
            self.costs.append(cpu / seen.requests * 1e6)
            self.busy.append(cpu / seen.seconds)

    @property
    def rate(self) -> float:
        return median(self.rates)

    @property
    def cost(self) -> float | None:
        return median(self.costs) if self.costs else None

    @property
    def p50(self) -> float:
        return median(self.latencies) * 1000

    @property
    def p99(self) -> float:
        return quantiles(self.latencies, n=100)[98] * 1000


def fight(contestants: Sequence[Contestant], requests: Sequence[bytes], pace: Pace) -> dict[str, Score]:
    """Return the score of each server under these requests."""
    loads = {contestant.name: Load(contestant.port, requests, pace.connections) for contestant in contestants}
    scores = {contestant.name: Score() for contestant in contestants}
    for load in loads.values():
        load.run(_WARM_UP_SECONDS)
    gc.freeze()
    for _ in range(pace.rounds):
        for contestant in contestants:
            before = contestant.cpu_seconds()
            seen = loads[contestant.name].run(pace.seconds)
            after = contestant.cpu_seconds()
            cpu = None if before is None or after is None else after - before
            scores[contestant.name].add(seen, cpu)
    for load in loads.values():
        load.close()
    return scores


def share_of_rate(scores: Mapping[str, Score], name: str, limit: str) -> float:
    """Return the rate of one server as a part of another's: the median over the rounds of what each pair gave."""
    return median(one / other for one, other in zip(scores[name].rates, scores[limit].rates, strict=True))


def share_of_cost(scores: Mapping[str, Score], name: str, limit: str) -> float | None:
    """Return how much of the processor time that one server takes the other would take as well."""
    pairs = list(zip(scores[name].costs, scores[limit].costs, strict=True))
    return median(other / one for one, other in pairs) if pairs else None
