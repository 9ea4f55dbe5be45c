"""The service with everything it can have beside it, each behind a proxy, and what was asked of it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from urllib.parse import urlsplit

import psycopg

from tests import servers
from tests.live import LiveServer, environment, running, wait_until
from tests.outages.proxy import Proxy, proxy
from tests.postbox import Postbox, postbox
from tests.serving.http import Reply, send, send_json
from tests.world import PASSWORD

P, S, R, B, M = 1.0, 1.0, 0.25, 1.0, 1.0
LETTERS = {"P": P, "S": S, "R": R, "B": B, "M": M}
"""What the letters of docs/outages.md stand for here."""

SECRET = "a key of the tests, thirty-two characters and more"
_NUMBERS = count(1)


@dataclass
class Neighbour:
    """A server that the service reaches through a proxy."""

    server: servers.Server
    proxy: Proxy

    @property
    def url(self) -> str:
        parts = urlsplit(self.server.url)
        return self.server.url.replace(f":{parts.port}", f":{self.proxy.port}")

    def mend(self) -> None:
        self.proxy.mend()
        if self.server._is_frozen:
            self.server.thaw()
        elif self.server._process is None:
            self.server.start()


@dataclass
class House:
    """Everything, and what the service has said yes to."""

    server: LiveServer
    database: Neighbour
    redis: Neighbour
    broker: Neighbour
    mail: Proxy
    box: Postbox
    asker: "subprocess.Popen[str]"
    celery: "list[subprocess.Popen[bytes]]"
    celery_log: Path
    disks: dict[str, Path]
    token: str = ""
    people: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    held: list[Event] = field(default_factory=list)

    def read(self) -> Reply:
        return send(f"{self.server.url}/auth/me", Authorization=f"Bearer {self.token}")

    def write(self) -> Reply:
        name = f"person{next(_NUMBERS)}"
        person = {"username": name, "email": f"{name}@engines.test", "password": PASSWORD}
        reply = send_json(f"{self.server.url}/auth/register", person)
        if reply.status == 201:
            self.people.append(name)
        return reply

    def sign_in(self) -> Reply:
        return send_json(f"{self.server.url}/auth/login", {"username": "ada", "password": PASSWORD})

    def page(self) -> Reply:
        return send(f"{self.server.url}/", Accept="text/html")

    def ask_for_a_job(self) -> str:
        """Ask for a job; return its name, nothing if that was refused."""
        assert self.asker.stdin
        assert self.asker.stderr
        name = f"job{next(_NUMBERS)}"
        self.asker.stdin.write(f"{name}\n")
        self.asker.stdin.flush()
        while (said := self.asker.stderr.readline().strip()) not in {"asked", "refused"}:
            assert self.asker.poll() is None
        if said == "asked":
            self.jobs.append(name)
        return name if said == "asked" else ""

    def ended(self) -> list[str]:
        """Return what there was of worker and beat and is no more, and the last that they said."""
        gone = [str(one.args) for one in self.celery if one.poll() is not None]
        return [*gone, self.celery_log.read_text()[-4000:]] if gone else []

    @property
    def past_the_proxy(self) -> str:
        return self.database.server.url.replace("+psycopg", "")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.past_the_proxy) as connection:
            connection.execute(statement.encode())

    def rows(self, statement: str) -> list[str]:
        """Read the database itself."""
        with psycopg.connect(self.past_the_proxy, connect_timeout=5) as connection:
            return [str(row[0]) for row in connection.execute(statement.encode()).fetchall()]

    def done(self) -> list[str]:
        return self.rows("SELECT name FROM job_effects")

    def letters(self) -> list[str]:
        """Return who was written to, once for each mail, however often it came."""
        pairs = zip(self.box.ids, self.box.recipients, strict=False)
        return [address.partition("@")[0] for _, address in dict.fromkeys(pairs)]


@contextmanager
def house(
    var: Path,
    *,
    data: Path | None = None,
    broker_of: Callable[[], AbstractContextManager[servers.Server]] = servers.redis,
) -> Iterator[House]:
    """Run it all. ``var`` holds what the service keeps in files, ``data`` what the database does."""
    with ExitStack() as stack:
        made = [stack.enter_context(servers.postgres(place=data))]
        made += [stack.enter_context(start()) for start in (servers.redis, broker_of)]
        database, redis, broker = (
            Neighbour(one, stack.enter_context(proxy(urlsplit(one.url).port or 0))) for one in made
        )
        box = stack.enter_context(postbox())
        mail = stack.enter_context(proxy(box.port))
        settings = {
            "SECRET_KEY": SECRET,
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
            "CELERY_BROKER_URL": broker.url,
            "MAIL_URL": f"smtp://127.0.0.1:{mail.port}",
            "EMAIL_VERIFICATION": "optional",
            "WORKERS": "2",
            "THREADS": "4",
            "WAITING": "12",
            "DATABASE_POOL_SIZE": "2",
            "DATABASE_POOL_SECONDS": str(P),
            "DATABASE_STATEMENT_SECONDS": str(S),
            "REDIS_SECONDS": str(R),
            "MAIL_SECONDS": str(M),
        }
        server = stack.enter_context(running(var, **settings))
        beside = {**environment(var, **settings), "C_FORCE_ROOT": "1"}
        asker = _asker(stack, beside)
        log = Path(stack.enter_context(TemporaryDirectory())) / "celery.log"
        celery = _celery(stack, beside, log)
        disks = {"database": data or var, "instance": var}
        it = House(server, database, redis, broker, mail, box, asker, celery, log, disks)
        it.run("CREATE TABLE job_effects (name VARCHAR(64), at VARCHAR(40))")
        ada = {"username": "ada", "email": "ada@engines.test", "password": PASSWORD}
        send_json(f"{server.url}/auth/register", ada)
        it.token = it.sign_in().json["data"]["access_token"]
        first = it.ask_for_a_job()
        wait_until(lambda: first in it.done(), log.read_text)
        yield it


def _asker(stack: ExitStack, env: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.outages.asker"]
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _celery(stack: ExitStack, env: dict[str, str], log: Path) -> "list[subprocess.Popen[bytes]]":
    """Begin a worker and beat, which end at once: nobody asks for anything any more."""
    made = []
    app = [sys.executable, "-m", "celery", "-A", "tests.features.jobs.crew_of_celery"]
    with log.open("ab") as output:
        for words, farewell in ((["worker", "--concurrency", "2"], signal.SIGQUIT), (["beat"], signal.SIGKILL)):
            process = subprocess.Popen([*app, *words], env=env, stdout=output, stderr=output)
            stack.callback(process.wait, 30)
            stack.callback(process.send_signal, farewell)
            made.append(process)
    return made
