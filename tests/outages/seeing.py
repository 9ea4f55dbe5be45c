"""What one outage looks like: everything is asked at once, a few times, while some clients go on and on."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Event

from tests.outages.house import House
from tests.serving.http import Reply, send
from tests.serving.outages import crowd, health_milliseconds, median

ROUNDS = 2
CLIENTS = 6
LONGEST = 60.0
JOB_SECONDS = 1.0


@dataclass
class Seen:
    """How each column answered, and in how many seconds; what was lost; what the log says."""

    answers: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    usual_health: float = 0.0
    health: float = 0.0
    recovery: float = 0.0
    lost: dict[str, list[str]] = field(default_factory=dict)
    under_load: Counter[int] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    "How often the processes said what, lines for requests aside."

    def worst(self, column: str) -> float:
        return max(seconds for _, seconds in self.answers[column])

    def said(self, column: str) -> set[str]:
        answers = self.answers[column]
        return {said for said, _ in (answers[-1:] if column == "`/readiness`" else answers)}  # true within a period


def observe(
    it: House, harm: Callable[[House], object], mend: Callable[[House], object], *, seconds: float = 0.0
) -> Seen:
    """Harm a house that is well, look, mend it, and see that it is well again and that nothing is lost."""
    well(it)
    seen, begun = Seen(), len(it.server.lines)
    with crowd(it.read, clients=CLIENTS) as load:
        seen.usual_health = median(health_milliseconds(it.server.url))
        harm(it)
        ends = time.monotonic() + seconds
        while len(seen.answers.get("job", [])) < ROUNDS or time.monotonic() < ends:
            _ask_everything(it, seen)
        mend(it)
        began = time.monotonic()
        well(it)
        _settle(it, seen)
        seen.recovery = time.monotonic() - began
    seen.under_load = load
    seen.lines = _messages(it.server.lines[begun:])
    return seen


def well(it: House) -> None:
    """Return once everything answers as it should, several times in a row, so that each worker was asked."""
    row, ends = 0, time.monotonic() + LONGEST
    while row < 6:
        row = row + 1 if _is_well(it) else 0
        assert time.monotonic() < ends, it.server.output[-4000:]
        Event().wait(0.05)


def _is_well(it: House) -> bool:
    with suppress(OSError, HTTPException):
        ready = send(f"{it.server.url}/readiness")
        return ready.json["status"] == "ready" and {it.read().status, it.sign_in().status, it.page().status} == {200}
    return False


def _ask_everything(it: House, seen: Seen) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = {
            "API read": pool.submit(_timed, it.read),
            "API write": pool.submit(_timed, it.write),
            "sign-in": pool.submit(_timed, it.sign_in),
            "console page": pool.submit(_timed, it.page),
            "`/readiness`": pool.submit(_timed_readiness, it),
            "job": pool.submit(_timed_job, it),
        }
        took = health_milliseconds(it.server.url)
        for name, answer in asked.items():
            seen.answers.setdefault(name, []).append(answer.result())
    seen.health = max(seen.health, median(took) / 1000)


def _timed(ask: Callable[[], Reply]) -> tuple[str, float]:
    reply, seconds = _clocked(ask)
    if reply is None:
        return "nothing", seconds
    if reply.status == 503 and not reply.headers["Retry-After"]:
        return "503 without Retry-After", seconds
    return str(reply.status), seconds


def _timed_readiness(it: House) -> tuple[str, float]:
    reply, seconds = _clocked(lambda: send(f"{it.server.url}/readiness"))
    return ("nothing" if reply is None else f"{reply.status} {reply.json['status']}"), seconds


def _timed_job(it: House) -> tuple[str, float]:
    """Ask for a job and wait a while for it; what cannot even be stored is refused."""
    began = time.monotonic()
    name = it.ask_for_a_job()
    while name and time.monotonic() - began < JOB_SECONDS:
        with suppress(Exception):
            if name in it.done():
                return "done", time.monotonic() - began
        Event().wait(0.1)
    return ("waits" if name else "refused"), time.monotonic() - began


def _clocked(ask: Callable[[], Reply]) -> tuple[Reply | None, float]:
    began = time.monotonic()
    try:
        return ask(), time.monotonic() - began
    except (OSError, HTTPException):
        return None, time.monotonic() - began


def _settle(it: House, seen: Seen) -> None:
    """Wait for what was promised: note which person, letter, job or process is missing, or came twice."""
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends and (missing := _missing(it)) and any(missing.values()):
        Event().wait(0.1)
    seen.lost = {name: found for name, found in missing.items() if found}
    done = Counter(name for name in it.done() if name != "on time")
    if twice := [name for name, times in done.items() if times > 1]:
        seen.lost["jobs twice"] = twice


def _missing(it: House) -> dict[str, list[str]]:
    stored = it.rows("SELECT username FROM users")
    return {
        "people": sorted({*it.people} - {*stored}),
        "letters": sorted({*stored} - {*it.letters()}),
        "jobs": sorted({*it.jobs} - {*it.done()}),
        "processes": it.ended(),
    }


def _messages(lines: list[str]) -> Counter[str]:
    found = [_read(line) for line in lines]
    return Counter(f"{one['level']} {one['message']}" for one in found if one and one["logger"] != "access")


def _read(line: str) -> dict[str, str]:
    """Read a line of the log; one that a full disk cut is none."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}
