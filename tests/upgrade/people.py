"""People who use the service all the time, and notice every request that fails and every write that is lost."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count
from threading import Event
from typing import Any

from tests.serving.http import Reply, send
from tests.upgrade.fleet import Fleet

PASSWORD = "Correct-Horse-7-Battery"
CLIENTS = 4
PAUSE_SECONDS = 0.05


@dataclass
class Seen:
    """What happened: ``names`` are those that somebody was told were stored, by user name."""

    failures: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


class _Failed(Exception):
    """A request was not answered as it should be."""


@dataclass
class Person:
    """Somebody who registers, signs in, reads and changes their name, and stays signed in."""

    fleet: Fleet
    seen: Seen
    username: str
    ended: Event
    token: str = ""
    refresh_token: str = ""

    def live(self) -> None:
        """Do everything once; what is read is always what was written last."""
        self._register()
        self._sign_in()
        for number in range(3):
            self._is_called(self.seen.names[self.username])
            self._change_name(f"{self.username} {number}")
            self._is_called(f"{self.username} {number}")
            self._refresh()

    def _register(self) -> None:
        """Register twice with one key, as a client does that heard no answer: one account, and one answer."""
        body = {"username": self.username, "email": f"{self.username}@upgrade.test", "password": PASSWORD}
        body["first_name"] = self.username
        first, again = (self._ask(201, "POST", "/auth/register", body, Idempotency_Key=self.username) for _ in range(2))
        self.seen.names[self.username] = self.username
        self._expect(first.json["data"] == again.json["data"], f"registered twice: {first.text} {again.text}")

    def _sign_in(self) -> None:
        body = {"username": self.username, "password": PASSWORD}
        self._keep(self._ask(200, "POST", "/auth/login", body))

    def _refresh(self) -> None:
        self._keep(self._ask(200, "POST", "/auth/refresh", {"refresh_token": self.refresh_token}))

    def _change_name(self, name: str) -> None:
        self._ask(200, "PATCH", "/auth/me", {"first_name": name})
        self.seen.names[self.username] = name

    def _is_called(self, name: str) -> None:
        read = self._ask(200, "GET", "/auth/me").json["data"]["first_name"]
        self._expect(read == name, f"read {read!r}, and written was {name!r}")

    def _keep(self, reply: Reply) -> None:
        tokens = reply.json["data"]
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]

    def _ask(self, status: int, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request to any of the servers."""
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None if body is None else json.dumps(body).encode()
        self.ended.wait(PAUSE_SECONDS)
        with self.fleet.some() as one:
            try:
                reply = send(one.server.url + path, method, data, Content_Type="application/json", **headers)
            except (OSError, HTTPException) as error:
                raise _Failed(f"{one.release}: {method} {path}: {error!r}") from error
        self._expect(reply.status == status, f"{one.release}: {method} {path}: {reply.status} {reply.text}")
        return reply

    def _expect(self, holds: object, complaint: str) -> None:
        if not holds:
            raise _Failed(complaint)


@contextmanager
def using(fleet: Fleet) -> Iterator[Seen]:
    """Let people use the service for as long as the block takes."""
    seen, ended = Seen(), Event()

    def go_on(client: int) -> None:
        for number in count():
            if ended.is_set():
                return
            try:
                Person(fleet, seen, f"person-{client}-{number}", ended).live()
            except _Failed as failure:
                seen.failures.append(str(failure))

    with ThreadPoolExecutor(CLIENTS) as pool:
        lives = [pool.submit(go_on, client) for client in range(CLIENTS)]
        try:
            yield seen
        finally:
            ended.set()
        for life in lives:
            life.result(30)
