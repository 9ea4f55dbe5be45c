"""Settings: one frozen object, read once from the environment and ``.env``; refuses what is unsafe in production.

Each field's description is its line in ``.env.example`` and ``docs/configuration.md``; a test holds them equal.
"""

import os
import re
import secrets
from contextlib import suppress
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network
Words = Annotated[tuple[str, ...], NoDecode]

SECRET_LENGTH = 32
_SECRET_SIGNS = 10
_OWASP_MEMORY_KIB, _OWASP_TIME_COST = 19456, 2
_QUOTA = re.compile(r"[1-9]\d* ?(?:/|per) ?(?:[1-9]\d* ?)?(?:second|minute|hour|day)s?", re.ASCII)
_QUOTAS = ("ratelimit_default", "ratelimit_anonymous", "ratelimit_login", "ratelimit_register")
_EVERYWHERE = frozenset({"*", "0.0.0.0", "::"})  # noqa: S104 -- compared with, not bound to
_PLACEHOLDERS = (
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "insecure",
    "example",
    "replace",
    "your-secret",
    "supersecret",
)


class UnsafeSettings(Exception):
    """The settings cannot be used; the message says what to do about each."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("Carboy refuses to start:\n" + "\n".join(f"  - {line}" for line in complaints))


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
    database_pool_seconds: float = Field(5, gt=0, le=60, description="How long a request waits for a free connection.")
    database_statement_seconds: float = Field(10, gt=0, le=3600, description="PostgreSQL ends a statement after this.")
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
        description="Factor on the limits above; 0 switches them off. Guesses are never scaled.",
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
    require_if_match: bool = Field(False, description="Answer 428 to an update that carries no If-Match.")
    count_cap: int = Field(
        10_000, ge=0, le=10_000_000, description="Lists count exactly up to here, unless asked for more."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    @field_validator("secret_key", "trusted_proxies", "allowed_origins", mode="before")
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
        if not self.database_url:
            return f"sqlite:///{self.var_dir / 'carboy.db'}"
        scheme, _, rest = self.database_url.partition("://")
        if scheme in {"postgres", "postgresql", "postgresql+psycopg"}:
            return f"postgresql+psycopg://{rest}"
        return self.database_url

    @property
    def pool_size(self) -> int:
        """Return the connections of one worker; two at least, because migrating holds a lock on one."""
        return max(2, self.database_pool_size or self.threads)

    @property
    def migrates(self) -> bool:
        """Tell whether the server migrates before it serves."""
        return not self.production if self.migrate_on_start is None else self.migrate_on_start

    @cached_property
    def proxies(self) -> tuple[Network, ...]:
        """Return TRUSTED_PROXIES as networks."""
        return tuple(ip_network(word, strict=False) for word in self.trusted_proxies)

    def complaints(self) -> list[str]:
        """List what is wrong with these settings, each with what to do."""
        return [*self._unusable(), *(self._unsafe() if self.production else ())]

    def _unusable(self) -> list[str]:
        found = []
        if not self.database.startswith(("sqlite://", "postgresql+psycopg://")):
            found.append("DATABASE_URL must begin with postgresql:// or sqlite:///.")
        if not all(_is_network(word) for word in self.trusted_proxies):
            found.append("TRUSTED_PROXIES must list networks such as 10.0.0.0/8, separated by commas.")
        if not _is_web_address(self.base_url):
            found.append("PUBLIC_URL must be a URL such as https://accounts.example.org.")
        if self.redis_url and not self.redis_url.startswith(("redis://", "rediss://", "unix://")):
            found.append("REDIS_URL must begin with redis:// or rediss://.")
        if not (self.service_name.isascii() and self.service_name.isprintable()):
            found.append("SERVICE_NAME must be printable ASCII: it is sent as a header.")
        found.extend(
            f"{name.upper()} must be a number and a time, such as 600/minute."
            for name in _QUOTAS
            if not _QUOTA.fullmatch(getattr(self, name))
        )
        return found

    def _debug_switches(self) -> list[str]:
        flask = os.environ.get("FLASK_DEBUG", "").lower()  # what `flask run` and `flask --debug` go by
        return ["DEBUG"] * self.debug + ["FLASK_DEBUG"] * (flask not in {"", "0", "false", "no"})

    def _unsafe(self) -> list[str]:
        found = []
        if not self.secret_key:
            found.append(
                "SECRET_KEY is missing. Set it to the output of:"
                " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        if any(_is_weak(secret) for secret in self.secret_key):
            found.append(
                f"SECRET_KEY is shorter than {SECRET_LENGTH} characters or a placeholder. Use"
                " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        if not self.public_url:
            found.append("PUBLIC_URL is missing. Set it to where users reach the service, https://…")
        elif not self.https and not self.allow_http:
            found.append("PUBLIC_URL is not https. Put TLS in front, or set ALLOW_HTTP=1 if you mean it.")
        if "*" in self.allowed_origins:
            found.append("ALLOWED_ORIGINS has '*'. List the exact origins of your own pages.")
        switches = self._debug_switches()
        found.extend(f"{name} is on. Unset it: it shows the inside of the service to everyone." for name in switches)
        if any(_is_everywhere(word) for word in self.trusted_proxies):
            found.append(
                "TRUSTED_PROXIES trusts every address, so anyone may forge theirs. Name your proxies' networks."
            )
        if self.password_hash_memory_kib < _OWASP_MEMORY_KIB or self.password_hash_time_cost < _OWASP_TIME_COST:
            found.append("PASSWORD_HASH_* is below what OWASP asks (19456 KiB, 2 passes). Unset it.")
        return found


def load(*, env_file: str | None = ".env", **given: Any) -> Settings:  # noqa: ANN401 -- fields, validated by Settings
    """Read the environment, ``.env`` and what is given; raise UnsafeSettings for what cannot be used."""
    try:
        settings = Settings(_env_file=env_file, **given)
    except ValidationError as error:
        raise UnsafeSettings(
            [f"{str(e['loc'][0]).upper()}: {e['msg']}." for e in error.errors(include_input=False)]
        ) from error
    complaints = settings.complaints()
    if complaints:
        raise UnsafeSettings(complaints)
    return settings


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return SECRET_KEY, newest first; in development one is made once and kept in ``VAR_DIR/secret_key``."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.var_dir / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        partial = path.with_name(f".secret_key.{secrets.token_hex(8)}")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_urlsafe(48))
        try:
            os.link(partial, path)  # atomic: of several that start at once, one makes the key and all read it
        finally:
            partial.unlink()
    return (path.read_text().strip(),)


def _is_everywhere(word: str) -> bool:
    try:
        return word in _EVERYWHERE or ip_network(word, strict=False).prefixlen == 0
    except ValueError:
        return False


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_network(word: str) -> bool:
    try:
        ip_network(word, strict=False)
    except ValueError:
        return False
    return True


def _is_weak(secret: str) -> bool:
    return (
        len(secret) < SECRET_LENGTH
        or len(set(secret)) < _SECRET_SIGNS
        or any(word in secret.casefold() for word in _PLACEHOLDERS)
    )
