"""Every setting with its default and its meaning: one frozen, typed object.

Each field's description is its line in ``.env.example`` and ``docs/configuration.md``; a test holds them equal.
"""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.oidc import OidcProvider

Network = IPv4Network | IPv6Network
Words = Annotated[tuple[str, ...], NoDecode]

_PROBE_THREADS = 8


class Settings(BaseSettings):
    """Everything that can be set. Lists are separated by commas; durations are in the unit of their name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    environment: Literal["development", "production"] = Field(
        "development", description="`production` refuses to start with unsafe settings."
    )
    debug: bool = Field(False, description="Flask's debug mode, which reloads templates; production refuses it.")
    service_name: str = Field("carboy", description="Name of the service in `/health`, logs and the API reference.")
    secret_key: Words = Field(
        (),
        repr=False,
        description="32 or more random characters from which all keys are derived; a list to rotate, newest first."
        " Empty in development: made once and kept in `VAR_DIR/secret_key`.",
    )
    public_url: str = Field(
        "", description="Where users reach the service; the only base of links. Empty: HOST and PORT."
    )
    allow_http: bool = Field(False, description="Let production run with an `http://` PUBLIC_URL (behind a VPN, say).")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes of this instance.")
    threads: int = Field(8, ge=1, le=256, description="Threads of each worker.")
    waiting: int = Field(
        1024,
        ge=0,
        le=4096,
        description="Requests that may wait for one of THREADS before others are told to come back.",
    )
    drain_seconds: float | None = Field(
        None,
        ge=0,
        le=600,
        description="How long everything is still served after SIGTERM, with 503 at `/readiness`, so that balancers"
        " look elsewhere. Empty: 10 in production, else 0.",
    )
    stop_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="How long requests and tasks at hand may take after that before they are cut off.",
    )
    keep_alive_seconds: int = Field(
        30, ge=1, le=3600, description="How long an idle connection is kept; longer than the proxy in front keeps it."
    )
    replicas: int = Field(
        1, ge=1, le=10_000, description="Instances that share the database, for the connection budget."
    )

    var_dir: Path = Field(Path("var"), description="Folder for what the embedded world keeps.")
    database_url: str = Field(
        "",
        repr=False,
        description="`postgresql://user:password@host/name` or `sqlite:///path`. Empty: SQLite in VAR_DIR.",
    )
    database_pool_size: int = Field(0, ge=0, le=1000, description="Connections of each worker. 0: one for each thread.")
    database_pool_seconds: float = Field(
        5, gt=0, le=60, description="How long a request waits for its turn and a connection."
    )
    database_statement_seconds: float = Field(10, gt=0, le=3600, description="PostgreSQL ends a statement after this.")
    database_replica_url: str = Field(
        "", repr=False, description="A streaming replica of DATABASE_URL, for reads that may lag. Empty: none."
    )
    database_replica_lag_seconds: float = Field(
        5, ge=1, le=300, description="A replica further behind is not read; who wrote does not read it so long."
    )
    redis_url: str = Field(
        "", repr=False, description="`redis://host:6379/0`. Empty: limits and counters live in this process."
    )
    redis_seconds: float = Field(
        0.25, gt=0, le=10, description="How long a request waits for Redis before going on without."
    )
    migrate_on_start: bool | None = Field(
        None,
        description="Migrate before serving. Empty: yes in development; production refuses to start instead.",
    )

    celery_broker_url: str = Field(
        "", repr=False, description="`redis://…` or `amqp://…` for jobs in Celery. Empty: jobs run in this process."
    )
    celery_processes: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Processes of all Celery workers together, for the connection budget. 0: as many as this machine"
        " has cores.",
    )
    mail_url: str = Field(
        "",
        repr=False,
        description="`smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`. Empty: files in `VAR_DIR/mail`.",
    )
    mail_from: str = Field("", description="Sender of mail, `Name <address>`. Empty: `carboy@` the host of PUBLIC_URL.")
    mail_seconds: float = Field(10, gt=0, le=120, description="How long a mail waits for the server before a retry.")

    trusted_proxies: Words = Field((), description="Networks (CIDR) whose X-Forwarded-For is believed.")
    allowed_origins: Words = Field((), description="Exact origins that may call the API from a browser (CORS).")
    ratelimit_default: str = Field("600/minute", description="Requests of one signed-in user.")
    ratelimit_anonymous: str = Field("300/minute", description="Requests of one address that is not signed in.")
    ratelimit_login: str = Field("10/minute", description="Sign-ins of one address.")
    ratelimit_register: str = Field("30/minute", description="Registrations of one address.")
    ratelimit_scale: float = Field(
        1,
        ge=0,
        le=10_000,
        description="Factor on the limits above and on letters asked for from one address; 0 switches them off."
        " Guesses are never scaled.",
    )

    password_min_length: int = Field(
        8, ge=8, le=64, description="Least length of a password (15 if it is the only factor: NIST)."
    )
    password_hash_memory_kib: int = Field(19456, ge=8, le=1_048_576, description="argon2id memory (OWASP: 19456).")
    password_hash_time_cost: int = Field(2, ge=1, le=10, description="argon2id passes (OWASP: 2).")
    access_token_seconds: int = Field(3600, ge=30, le=86_400, description="Life of an access token.")
    refresh_token_seconds: int = Field(
        2_592_000, ge=60, le=31_536_000, description="Life of a session from its sign-in."
    )
    email_verification: Literal["auto", "optional", "mandatory"] = Field(
        "auto", description="Whether one must prove one's address before signing in. `auto`: once MAIL_URL is set."
    )
    mfa_required_roles: Words = Field((), description="Roles that give nothing without a second factor, `admin` say.")
    oidc_providers: tuple[OidcProvider, ...] = Field(
        (), repr=False, description="JSON list of providers to sign in with; see docs/identity.md."
    )
    erase_after_days: int = Field(30, ge=0, le=3650, description="Deleted accounts are erased after this.")
    audit_retention_days: int = Field(400, ge=90, le=36_500, description="Audit events are kept this long.")
    session_retention_days: int = Field(90, ge=1, le=3650, description="Ended sessions are kept this long.")
    mail_retention_days: int = Field(30, ge=1, le=3650, description="Records of sent mail are kept this long.")
    backup_dir: Path | None = Field(
        None, description="Folder for backups; better on another disk or machine. Empty: `VAR_DIR/backups`."
    )
    backup_key: Words = Field(
        (),
        repr=False,
        description="Secret age keys (`AGE-SECRET-KEY-1…`), newest first: the first encrypts backups, every one opens."
        " Empty: derived from SECRET_KEY.",
    )
    backup_every_hours: int | None = Field(
        None, ge=0, le=8760, description="How often a backup is made; 0: never. Empty: 24 in production, 0 otherwise."
    )
    backup_verify_days: int = Field(
        7, ge=0, le=365, description="How often the newest of them is restored on trial; 0: never."
    )
    backup_retention_days: int = Field(
        30, ge=1, le=36_500, description="Backups are kept this long, the newest and the newest verified one for ever."
    )
    jobs_retention_days: int = Field(7, ge=1, le=3650, description="Records of jobs that are done are kept this long.")
    require_if_match: bool = Field(False, description="Answer 428 to an update that carries no If-Match.")
    count_cap: int = Field(
        10_000, ge=0, le=10_000_000, description="Lists count exactly up to here, unless asked for more."
    )

    metrics_token: str = Field("", repr=False, description="Bearer token that opens `/metrics`. Empty: 404 there.")
    metrics_host: str = Field("127.0.0.1", description="Address of the port for metrics: loopback or the pod network.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port that serves metrics alone. 0: none.")

    otel_exporter_otlp_endpoint: str = Field(
        "",
        repr=False,
        description="`http://collector:4318`, which takes traces by OTLP over HTTP at `/v1/traces`. Empty: no traces.",
    )
    otel_exporter_otlp_headers: str = Field(
        "", repr=False, description="Headers for that receiver, `name=value,name=value`."
    )
    otel_traces_sampler_arg: float = Field(
        1, ge=0, le=1, description="Share of the traces that are kept, unless a caller's `traceparent` decides."
    )
    sentry_dsn: str = Field(
        "", repr=False, description="`https://key@host/project` of Sentry, which is told of unforeseen failures."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    @field_validator(
        "secret_key", "backup_key", "trusted_proxies", "allowed_origins", "mfa_required_roles", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("public_url")
    @classmethod
    def _strip(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def production(self) -> bool:
        """Tell whether unsafe settings refuse to start."""
        return self.environment == "production"

    @cached_property
    def base_url(self) -> str:
        """Return PUBLIC_URL, or where this process listens."""
        if self.public_url:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def https(self) -> bool:
        """Tell whether users come over https: decides HSTS and cookie flags once."""
        return self.base_url.startswith("https://")

    @cached_property
    def database(self) -> str:
        """Return the SQLAlchemy URL: psycopg 3 for every spelling of PostgreSQL, SQLite in VAR_DIR by default."""
        return _with_driver(self.database_url) if self.database_url else f"sqlite:///{self.var_dir / 'carboy.db'}"

    @cached_property
    def replica(self) -> str:
        """Return the SQLAlchemy URL of the replica, empty without one."""
        return _with_driver(self.database_replica_url)

    @property
    def pool_size(self) -> int:
        """Return the connections of one worker; two at least, because migrating holds a lock on one."""
        return max(2, self.database_pool_size or self.threads)

    @property
    def server_threads(self) -> int:
        """Return the threads of one worker: for the requests at work, for those in line, and some for probes alone."""
        return self.threads + self.waiting + _PROBE_THREADS

    @property
    def drains(self) -> float:
        """Return how many seconds this instance drains before it stops."""
        return (10 if self.production else 0) if self.drain_seconds is None else self.drain_seconds

    @property
    def migrates(self) -> bool:
        """Tell whether the server migrates before it serves."""
        return not self.production if self.migrate_on_start is None else self.migrate_on_start

    @property
    def metrics_dir(self) -> Path:
        """Return where the workers of this instance count together."""
        return self.var_dir / "metrics" / str(self.port)

    @property
    def backups_dir(self) -> Path:
        """Return the folder of backups."""
        return self.backup_dir or self.var_dir / "backups"

    @property
    def files_dir(self) -> Path:
        """Return the folder of files that people stored."""
        return self.var_dir / "files"

    @property
    def backup_hours(self) -> int:
        """Return the hours between two backups, 0 for none: what development holds is not worth a disk of copies."""
        return (24 if self.production else 0) if self.backup_every_hours is None else self.backup_every_hours

    @property
    def verifies_email(self) -> bool:
        """Tell whether an address must be proven before its owner can sign in."""
        return bool(self.mail_url) if self.email_verification == "auto" else self.email_verification == "mandatory"

    @cached_property
    def proxies(self) -> tuple[Network, ...]:
        """Return TRUSTED_PROXIES as networks."""
        return tuple(ip_network(word, strict=False) for word in self.trusted_proxies)


def _with_driver(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql", "postgresql+psycopg"} else url
