"""Clients that never rest and keep books: what they asked for, what came back, and what must be in the database."""

import http.client
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from tests.serving.nginx import NAME, trusting

PASSWORD = "Correct-Horse-7-Battery"
SECONDS = 60


@dataclass
class Books:
    """What one client saw. ``made`` are the users that it was told exist."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    visits: int = 0


class Client:
    """One connection that is kept, and what is done over it, in turn, until it is told to stop."""

    def __init__(self, port: int, token: str, number: int) -> None:
        self.books = Books()
        self._port, self._token, self._number = port, token, number
        self._connection: http.client.HTTPSConnection | None = None
        self._name = f"client-{number}"
        self._refresh = ""

    def ask(self, kind: str, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send one request, never a second time, and note what came of it."""
        try:
            answer, text = self._send(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.books.failures.append(f"{kind}: {error!r}")
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return None
        self.books.answers[kind, answer.status] += 1
        if answer.status not in {200, 201}:
            self.books.failures.append(f"{kind}: {answer.status} {text[:300]!r}")
            return None
        return json.loads(text)["data"]

    def _send(self, method: str, path: str, body: object, headers: dict[str, str]) -> tuple[Any, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=SECONDS, context=trusting())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = None if body is None else json.dumps(body)
        self._connection.request(method, path, sent, {"Host": NAME, "Content-Type": "application/json", **named})
        answer = self._connection.getresponse()
        return answer, answer.read()

    @property
    def _signed(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def read(self) -> None:
        self.ask("read", "GET", "/api/v1/users?per_page=5&count=none", **self._signed)

    def write(self) -> None:
        self._make("write")

    def write_once(self) -> None:
        self._make("write with key", Idempotency_Key=str(uuid4()))

    def _make(self, kind: str, **headers: str) -> None:
        name = f"u-{uuid4().hex[:20]}"
        body = {"username": name, "email": f"{name}@carboy.test"}
        if self.ask(kind, "POST", "/api/v1/users", body, **self._signed, **headers):
            self.books.made.append(name)

    def visit(self) -> None:
        self.ask("visit", "POST", "/api/v1/visits", {"page": "/load"})
        self.books.visits += 1

    def sign_in(self) -> None:
        found = self.ask("sign in", "POST", "/auth/login", {"username": self._name, "password": PASSWORD})
        self._refresh = found["refresh_token"] if found else self._refresh

    def refresh(self) -> None:
        found = self.ask("refresh", "POST", "/auth/refresh", {"refresh_token": self._refresh})
        self._refresh = found["refresh_token"] if found else self._refresh

    def work(self, over: Event) -> None:
        person = {"username": self._name, "email": f"{self._name}@carboy.test", "password": PASSWORD}
        self.ask("register", "POST", "/auth/register", person)
        turns: list[Callable[[], None]] = [self.sign_in, self.read, self.write, self.refresh, self.visit]
        turns += [self.write_once, self.read, self.refresh]
        while not over.is_set():
            for turn in turns:
                turn()
        if self._connection is not None:
            self._connection.close()


def at_work(port: int, token: str, count: int, during: Callable[[], None]) -> list[Books]:
    """Let so many clients work while something happens; return their books."""
    over = Event()
    clients = [Client(port, token, number) for number in range(count)]
    threads = [Thread(target=client.work, args=(over,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        during()
    finally:
        over.set()
        for thread in threads:
            thread.join(SECONDS * 2)
    return [client.books for client in clients]
