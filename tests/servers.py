"""Throw-away PostgreSQL, Redis and RabbitMQ servers on free local ports, gone when their user is, however it ends."""

import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import amqp  # type: ignore[import-untyped]  # it has no types
import psycopg
import redis as redis_client
from sqlalchemy import make_url

START_SECONDS = 30.0
STOP_SECONDS = 10.0

# Below the ports that systems hand out to outgoing connections: a stopped server finds its own free again.
PORTS = range(15_000, 32_000)

POSTGRES_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Fedora, Red Hat
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
POSTGRES_OPTIONS = (
    "listen_addresses=127.0.0.1",
    "max_connections=100",
    "dynamic_shared_memory_type=mmap",  # everything lies in the server's folder and goes with it
    # All that protects data from a power cut is off: these data live for one run.
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
)

# Waits for the end of its input. A word before it means "stopped"; none, that whoever started us has died.
WATCH = 'read -r word || { kill -QUIT "$1"; sleep 1; kill -KILL "$1"; kill -KILL "-$1"; rm -rf "$2"; } 2>/dev/null'


class ServerMissing(Exception):
    """No such server is installed; the message names it."""


class ServerFailed(Exception):
    """The server did not start; the message ends with its log."""


class Server:
    """One server, which tests may stop, kill, freeze and start again with the same URL and data."""

    def __init__(
        self,
        *,
        url: str,
        command: Sequence[str],
        folder: Path,
        ping: Callable[[], None],
        stop_signal: signal.Signals,
    ) -> None:
        self.url = url
        self._command = command
        self._folder = folder
        self._ping = ping
        self._stop_signal = stop_signal
        self._is_frozen = False
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once the server answers; raise ServerFailed if it does not within START_SECONDS."""
        self._process = _spawn(self._command, self._folder)
        self._watch = watch(self._process, self._folder)
        self._wait_for_an_answer()

    def stop(self) -> None:
        """Stop the server in order, and kill it if that takes more than STOP_SECONDS."""
        if self._process is None:
            return
        if self._is_frozen:
            self.thaw()
        self._process.send_signal(self._stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the server at once, without a goodbye to anyone."""
        if self._process is None:
            return
        children = self._signal(signal.SIGKILL)
        self._process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what a server that ended in order left behind
        _wait_until_gone(children)  # PostgreSQL does not start again while one of them still leaves
        self._process = None
        self._is_frozen = False
        if self._watch is not None:
            dismiss(self._watch)
            self._watch = None

    def freeze(self) -> None:
        """Keep the server from answering while its port and connections stay open."""
        self._signal(signal.SIGSTOP)
        self._is_frozen = True

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)
        self._is_frozen = False

    def _wait_for_an_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._ping()
            except (psycopg.Error, redis_client.RedisError, OSError, amqp.AMQPError) as error:
                if self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                self.kill()
                last_lines = (self._folder / "log").read_text(errors="replace").splitlines()[-10:]
                raise ServerFailed("\n".join([f"{self._command[0]} did not start:", *last_lines])) from error
            return

    def _signal(self, number: signal.Signals) -> list[int]:
        """Send a signal to the process and its children (PostgreSQL serves each connection with one)."""
        if self._process is None or self._process.poll() is not None:
            return []
        self._process.send_signal(signal.SIGSTOP)  # so that no child is born between the count and the signal
        children = [pid for pid, parent in _processes() if parent == self._process.pid]
        for pid in (*children, self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return children


def watch(process: subprocess.Popen[bytes], folder: Path) -> subprocess.Popen[bytes]:
    """Start what kills a program, which leads a group, and removes its folder if we are gone before we dismissed it."""
    return subprocess.Popen(
        ["/bin/sh", "-c", WATCH, "watch", str(process.pid), str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )


@contextmanager
def ended_with_us(process: subprocess.Popen[bytes], folder: Path) -> Iterator[None]:
    """Kill a program, which leads a group, and what it called, when this is over or we are gone."""
    watching = watch(process, folder)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        dismiss(watching)


def dismiss(watching: subprocess.Popen[bytes]) -> None:
    """Tell a watch that its program is stopped."""
    with suppress(BrokenPipeError):
        watching.communicate(b"stopped\n")


@contextmanager
def postgres(*, place: Path | None = None) -> Iterator[Server]:
    """Run a new, empty PostgreSQL, on a disk of its own perhaps; raise ServerMissing where none is installed."""
    binaries = find_postgres()
    if binaries is None:
        raise ServerMissing("no PostgreSQL server found")
    with _folder(account=_unprivileged(), place=place) as folder:
        _initialise(binaries, folder)
        yield from _postgres_in(folder, binaries)


@contextmanager
def replica(of: Server) -> Iterator[Server]:
    """Run a streaming replica of a PostgreSQL of ours; it takes over what there is, then follows."""
    binaries = find_postgres()
    if binaries is None:
        raise ServerMissing("no PostgreSQL server found")
    with _folder(account=_unprivileged()) as folder:
        address = make_url(of.url)
        source = f"host={address.host} port={address.port} user={address.username}"
        copy = ["pg_basebackup", "-D", str(folder / "data"), "-d", source, "--write-recovery-conf", "--checkpoint=fast"]
        if _spawn([str(binaries / copy[0]), *copy[1:], "--no-sync"], folder).wait(START_SECONDS):
            raise ServerFailed((folder / "log").read_text(errors="replace"))
        yield from _postgres_in(folder, binaries)


@contextmanager
def redis() -> Iterator[Server]:
    """Run a new, empty Redis that appends to a file; raise ServerMissing where none is installed."""
    binary = find_redis()
    if binary is None:
        raise ServerMissing("no Redis server found")
    with _folder() as folder:
        port = _free_port()
        options = (f"--port {port}", "--bind 127.0.0.1", f"--dir {folder}", "--appendonly yes", "--save ")
        server = Server(
            url=f"redis://127.0.0.1:{port}/0",
            command=[str(binary), *(word for option in options for word in option.split(" ", 1))],
            folder=folder,
            ping=lambda: _ping_redis(port),
            stop_signal=signal.SIGTERM,
        )
        yield from _running(server)


@contextmanager
def rabbitmq() -> Iterator[Server]:
    """Run a new, empty RabbitMQ node that no other node knows; raise ServerMissing where none is installed."""
    binary = find_rabbitmq()
    if binary is None:
        raise ServerMissing("no RabbitMQ server found")
    with _folder() as folder:
        port, between_nodes, names = _free_port(), _free_port(), _free_port()
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{port}\nlog.file = false\n")
        (folder / "enabled_plugins").write_text("[].")
        given = {
            "HOME": str(folder),  # where the cookie is
            "RABBITMQ_NODENAME": f"carboy{port}@localhost",
            "RABBITMQ_DIST_PORT": str(between_nodes),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log.d"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ALLOW_INPUT": "1",  # no script stays in between, so that signals reach the node itself
        }
        # The node would start a daemon for names that outlives it; this one is its child.
        line = f'epmd -address 127.0.0.1 -port {names} & exec "{binary}" -noinput'
        server = Server(
            url=f"amqp://guest:guest@127.0.0.1:{port}//",
            command=["env", *(f"{name}={value}" for name, value in given.items()), "/bin/sh", "-c", line],
            folder=folder,
            ping=lambda: _ping_rabbitmq(port),
            stop_signal=signal.SIGTERM,
        )
        yield from _running(server)


def find_postgres() -> Path | None:
    """Find the folder of initdb and postgres: on PATH, or the newest where systems put it."""
    on_path = shutil.which("postgres")
    places = [Path(on_path).resolve().parent] if on_path else []
    for pattern in POSTGRES_PLACES:
        found = Path("/").glob(pattern.removeprefix("/"))
        places += sorted(found, key=lambda place: [int(n) for n in re.findall(r"\d+", str(place))], reverse=True)
    return next((place for place in places if all((place / name).exists() for name in ("initdb", "postgres"))), None)


def find_redis() -> Path | None:
    """Find redis-server on PATH, or Valkey, which speaks the same."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def find_rabbitmq() -> Path | None:
    """Find the program of the node itself: what is on PATH changes to another account first."""
    found = sorted(Path("/").glob("usr/lib/rabbitmq/bin/rabbitmq-server")) if shutil.which("epmd") else []
    return found[0] if found else None


def _unprivileged() -> pwd.struct_passwd | None:
    """Name the account that PostgreSQL runs as when we are root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextmanager
def _folder(*, account: pwd.struct_passwd | None = None, place: Path | None = None) -> Iterator[Path]:
    # Short, because the path of a Unix socket ends at about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="carboy-", dir=place))
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(binaries: Path, folder: Path) -> None:
    command = [
        str(binaries / "initdb"),
        *("-D", str(folder / "data")),
        *("--username", "carboy", "--auth", "trust", "--encoding", "UTF8"),
        *("--locale", "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"),
        *("--no-sync", "--no-instructions"),
    ]
    initdb = _spawn(command, folder)
    try:
        failed = initdb.wait(START_SECONDS) != 0
    finally:
        initdb.kill()
        initdb.wait()
    if failed:
        raise ServerFailed((folder / "log").read_text(errors="replace"))


def _postgres_in(folder: Path, binaries: Path) -> Iterator[Server]:
    port = _free_port()
    options = (*POSTGRES_OPTIONS, f"port={port}", f"unix_socket_directories={folder}")
    server = Server(
        url=f"postgresql+psycopg://carboy@127.0.0.1:{port}/postgres",
        command=[
            str(binaries / "postgres"),
            *("-D", str(folder / "data")),
            *(word for option in options for word in ("-c", option)),
        ],
        folder=folder,
        ping=lambda: _ping_postgres(port),
        stop_signal=signal.SIGINT,  # PostgreSQL's "fast" shutdown, which waits for no client
    )
    yield from _running(server)


def _spawn(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a program as the owner of its folder, logging there, in a session that Ctrl-C does not reach."""
    owner = folder.stat()
    other = owner.st_uid != os.geteuid()
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            user=owner.st_uid if other else None,
            group=owner.st_gid if other else None,
            extra_groups=() if other else None,
        )


def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerFailed("no free port found")


def _ping_postgres(port: int) -> None:
    psycopg.connect(host="127.0.0.1", port=port, user="carboy", dbname="postgres", connect_timeout=2).close()


def _ping_redis(port: int) -> None:
    with redis_client.Redis(port=port, socket_timeout=2) as client:
        client.ping()


def _ping_rabbitmq(port: int) -> None:
    with amqp.Connection(f"127.0.0.1:{port}", connect_timeout=2, read_timeout=2):
        pass


def _processes() -> list[tuple[int, int]]:
    """List every process that still runs, with its parent."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listing.stdout.splitlines())
    return [(int(pid), int(parent)) for pid, parent, state in rows if not state.startswith("Z")]


def _wait_until_gone(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while pids and any(pid in pids for pid, _ in _processes()) and time.monotonic() < deadline:
        time.sleep(0.02)
