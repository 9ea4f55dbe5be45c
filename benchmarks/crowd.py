"""Many users at once, each on a connection that stays open, who think between two requests."""

import asyncio
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from benchmarks.pressure import request

_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d+)", re.IGNORECASE)
_PATIENCE_SECONDS = 30.0
_LONGEST_THOUGHT = 20.0  # the server hangs up on a connection that was idle for 30 s

ME, SESSIONS, USERS = "GET /auth/me", "GET /auth/sessions", "GET /api/v1/users"
CHANGE, REFRESH, LOGIN = "PATCH /auth/me", "POST /auth/refresh", "POST /auth/login"
REGISTER, ARRIVING = "POST /auth/register", "POST /auth/login, arriving"

_IN_BY_PASSWORD = {"/auth/login", "/auth/register", "/auth/refresh"}

MIX = {ME: 60, SESSIONS: 14, CHANGE: 10, REFRESH: 10, USERS: 3, LOGIN: 2, REGISTER: 1}
"""What a user does next: parts of a hundred. Those who may not list users read their own account instead."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in."""

    username: str
    password: str
    administers: bool


@dataclass(slots=True)
class Seen:
    """What came back: seconds of each answer by endpoint, and what went wrong by endpoint and kind."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Crowd:
    """All users. ``awaited`` are those who have not signed in; what comes before all have is kept apart."""

    port: int
    think_seconds: float
    seen: Seen = field(default_factory=Seen)
    awaited: int = 0
    strangers: int = 0
    all_in: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def visit(self, accounts: list[Account], *, arrive: float, stay: float, when_in: Callable[[], None]) -> float:
        """Let users come one after the other, stay for so long after the last came in, and go; return how long."""
        self.awaited, gap = len(accounts), arrive / len(accounts)
        async with asyncio.TaskGroup() as tasks:
            for number, account in enumerate(accounts):
                tasks.create_task(User(self, account).live(number * gap))
            await self.all_in.wait()
            when_in()
            self.seen.latencies = defaultdict(list, {ARRIVING: self.seen.latencies[ARRIVING]})
            began = time.perf_counter()
            await asyncio.sleep(stay)
            self.over.set()
        return time.perf_counter() - began

    def came_in(self) -> None:
        """Note that one more has signed in."""
        self.awaited -= 1
        if not self.awaited:
            self.all_in.set()


class User:
    """One user and their connection."""

    def __init__(self, crowd: Crowd, account: Account) -> None:
        self._crowd = crowd
        self._account = account
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._token = self._refresh_token = ""

    async def live(self, wait: float) -> None:
        """Come, sign in, and go on until it is over."""
        await asyncio.sleep(wait)
        while not await self._signed_in(ARRIVING):
            await self._think()
        self._crowd.came_in()
        names, weights = list(MIX), list(MIX.values())
        while not self._crowd.over.is_set():
            await self._think()
            if not self._crowd.over.is_set():
                await self._do(random.choices(names, weights)[0])
        self._hang_up()

    async def _think(self) -> None:
        mean = self._crowd.think_seconds
        thought = min(random.expovariate(1 / mean), _LONGEST_THOUGHT)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._crowd.over.wait(), thought)

    async def _do(self, chosen: str) -> None:
        if chosen == LOGIN:
            await self._signed_in(LOGIN)
        elif chosen == REFRESH:
            self._keep(await self._ask(chosen, 200, {"refresh_token": self._refresh_token}))
        elif chosen == CHANGE:
            await self._ask(chosen, 200, {"last_name": f"Load {random.randrange(10**6)}"})
        elif chosen == REGISTER:
            await self._ask(chosen, 201, self._stranger())
        elif chosen == USERS and self._account.administers:
            await self._ask(chosen, 200, query="?per_page=20&cursor=")
        else:
            await self._ask(SESSIONS if chosen == SESSIONS else ME, 200)

    async def _signed_in(self, title: str) -> bool:
        given = {"username": self._account.username, "password": self._account.password}
        return self._keep(await self._ask(title, 200, given))

    def _keep(self, answer: bytes) -> bool:
        if answer:
            tokens = orjson.loads(answer)["data"]
            self._token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]
        return bool(answer)

    def _stranger(self) -> dict[str, str]:
        self._crowd.strangers += 1
        name = f"stranger-{self._crowd.strangers}"
        return {"username": name, "email": f"{name}@load.example", "password": self._account.password}

    async def _ask(self, title: str, status: int, body: dict[str, str] | None = None, query: str = "") -> bytes:
        """Return the body of the answer; empty if there was none, or another than expected: that is counted."""
        method, path = title.partition(",")[0].split()
        token = "" if path in _IN_BY_PASSWORD else self._token
        asked = request(method, path + query, token=token, body=orjson.dumps(body) if body else b"")
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answered, content = await self._exchange(asked)
        except (OSError, EOFError, TimeoutError) as error:
            self._crowd.seen.errors[title, type(error).__name__] += 1
            self._hang_up()
            return b""
        if answered == status:  # a refusal is quick, and would flatter what it stands for
            self._crowd.seen.latencies[title].append(time.perf_counter() - began)
            return content
        self._crowd.seen.errors[title, f"status {answered}"] += 1
        return b""

    async def _exchange(self, asked: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._crowd.port)
        reader, writer = self._streams
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return int(head[9:12]), await reader.readexactly(int(length[1])) if length else b""

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
