"""What is wrong with settings: unusable anywhere, or unsafe in production; each with what to do."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from urllib.parse import urlsplit

from app.core import mailing
from app.core.mailing import UnusableMailSetting
from app.core.oidc import ENDPOINTS, OidcProvider
from app.core.settings import Settings

SECRET_LENGTH = 32
_SECRET_SIGNS = 10
_TOKEN_LENGTH = 16
_OWASP_MEMORY_KIB, _OWASP_TIME_COST = 19456, 2
_QUOTA = re.compile(r"[1-9]\d* ?(?:/|per) ?(?:[1-9]\d* ?)?(?:second|minute|hour|day)s?", re.ASCII)
_QUOTAS = ("ratelimit_default", "ratelimit_anonymous", "ratelimit_login", "ratelimit_register")
_AGE_KEY = re.compile(r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}")
_BROKERS = ("redis://", "rediss://", "amqp://", "amqps://")
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


def complaints(settings: Settings, *, flask_debug: bool) -> list[str]:
    """List what is wrong with these settings, each with what to do. ``flask_debug``: FLASK_DEBUG is on."""
    switches = ["DEBUG"] * settings.debug + ["FLASK_DEBUG"] * flask_debug
    return [*_unusable(settings), *(_unsafe(settings, switches) if settings.production else ())]


def _unusable(settings: Settings) -> list[str]:
    found = _unusable_databases(settings)
    if not all(_is_network(word) for word in settings.trusted_proxies):
        found.append("TRUSTED_PROXIES must list networks such as 10.0.0.0/8, separated by commas.")
    if not _is_web_address(settings.base_url):
        found.append("PUBLIC_URL must be a URL such as https://accounts.example.org.")
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        found.append("REDIS_URL must begin with redis:// or rediss://.")
    if settings.celery_broker_url and not settings.celery_broker_url.startswith(_BROKERS):
        found.append("CELERY_BROKER_URL must begin with redis://, rediss://, amqp:// or amqps://.")
    if not all(_AGE_KEY.fullmatch(key) for key in settings.backup_key):
        found.append("BACKUP_KEY must list secret age keys, AGE-SECRET-KEY-1…, as age-keygen makes them.")
    if not (settings.service_name.isascii() and settings.service_name.isprintable()):
        found.append("SERVICE_NAME must be printable ASCII: it is sent as a header.")
    found.extend(
        f"{name.upper()} must be a number and a time, such as 600/minute."
        for name in _QUOTAS
        if not _QUOTA.fullmatch(getattr(settings, name))
    )
    if settings.otel_exporter_otlp_endpoint and not _is_web_address(settings.otel_exporter_otlp_endpoint):
        found.append("OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://collector:4318.")
    if settings.sentry_dsn and not _is_dsn(settings.sentry_dsn):
        found.append("SENTRY_DSN must be what Sentry shows for a project: https://key@host/number.")
    names = [provider.name for provider in settings.oidc_providers]
    found.extend(f"OIDC_PROVIDERS names {name} twice." for name in sorted({n for n in names if names.count(n) > 1}))
    found.extend(line for provider in settings.oidc_providers for line in _unusable_provider(provider))
    return [*found, *_unusable_mail(settings)]


def _unusable_databases(settings: Settings) -> list[str]:
    found = []
    if not settings.database.startswith(("sqlite://", "postgresql+psycopg://")):
        found.append("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    urls = (settings.database, settings.replica)
    if settings.replica and not all(url.startswith("postgresql+psycopg://") for url in urls):
        found.append("DATABASE_REPLICA_URL is for PostgreSQL; DATABASE_URL and it must begin with postgresql://.")
    if settings.database in {"sqlite://", "sqlite:///:memory:"}:
        found.append("DATABASE_URL names a database in memory, which each connection would have for itself.")
    return found


def _unusable_mail(settings: Settings) -> list[str]:
    found = []
    try:
        if settings.mail_url:
            mailing.server_of(settings.mail_url)
    except UnusableMailSetting as error:
        found.append(str(error))
    try:
        if settings.mail_from:
            mailing.sender_of(settings)
    except UnusableMailSetting as error:
        found.append(str(error))
    return found


def _unusable_provider(provider: OidcProvider) -> Iterator[str]:
    who = f"OIDC_PROVIDERS: {provider.name}"
    endpoints = [name for name in ENDPOINTS if name in provider.urls]
    if provider.issuer and (endpoints or provider.emails_url):
        yield f"{who} has an issuer and endpoints. Give the issuer (OpenID Connect) or the endpoints (OAuth 2)."
    if not provider.issuer and len(endpoints) < len(ENDPOINTS):
        yield f"{who} needs an issuer, or all of {', '.join(ENDPOINTS)}."
    if provider.issuer and "openid" not in provider.scopes.split():
        yield f"{who} has an issuer, so its scopes must have openid."
    for name, url in provider.urls.items():
        if not _is_plain_address(url):
            yield f"{who}: {name} must be a URL such as https://id.example.org, without user, query or fragment."


def _unsafe(settings: Settings, switches: list[str]) -> list[str]:
    found = []
    if not settings.secret_key:
        found.append(
            "SECRET_KEY is missing. Set it to the output of:"
            " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    if any(_is_weak(secret) for secret in settings.secret_key):
        found.append(
            f"SECRET_KEY is shorter than {SECRET_LENGTH} characters or a placeholder. Use"
            " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    if not settings.public_url:
        found.append("PUBLIC_URL is missing. Set it to where users reach the service, https://…")
    elif not settings.https and not settings.allow_http:
        found.append("PUBLIC_URL is not https. Put TLS in front, or set ALLOW_HTTP=1 if you mean it.")
    if "*" in settings.allowed_origins:
        found.append("ALLOWED_ORIGINS has '*'. List the exact origins of your own pages.")
    found.extend(f"{name} is on. Unset it: it shows the inside of the service to everyone." for name in switches)
    if any(_is_everywhere(word) for word in settings.trusted_proxies):
        found.append("TRUSTED_PROXIES trusts every address, so anyone may forge theirs. Name your proxies' networks.")
    if settings.metrics_token and len(settings.metrics_token) < _TOKEN_LENGTH:
        found.append(f"METRICS_TOKEN is shorter than {_TOKEN_LENGTH} characters. Use a random one.")
    if settings.password_hash_memory_kib < _OWASP_MEMORY_KIB or settings.password_hash_time_cost < _OWASP_TIME_COST:
        found.append("PASSWORD_HASH_* is below what OWASP asks (19456 KiB, 2 passes). Unset it.")
    found.extend(
        f"OIDC_PROVIDERS: {provider.name}: {name} is not https. Anybody on the way could sign in as anybody."
        for provider in settings.oidc_providers
        for name, url in provider.urls.items()
        if not url.startswith("https://")
    )
    return found


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


def _is_dsn(url: str) -> bool:
    if not _is_web_address(url):
        return False
    parts = urlsplit(url)
    return bool(parts.username) and parts.path.rpartition("/")[2].isdigit()


def _is_plain_address(url: str) -> bool:
    return _is_web_address(url) and url.isascii() and url.isprintable() and not any(sign in url for sign in "@?#\\ ")


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
