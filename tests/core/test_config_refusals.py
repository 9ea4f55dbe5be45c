from typing import Any

import pytest

from app.core.config import UnsafeSettings, load
from tests.core.settings import PRODUCTION

pytestmark = pytest.mark.usefixtures("_nothing_is_set")

ANOTHER_SECRET = PRODUCTION["secret_key"][::-1]

UNUSABLE: list[Any] = [
    pytest.param("environment", "staging", "ENVIRONMENT", id="an unknown environment"),
    pytest.param("port", "0", "PORT", id="port 0"),
    pytest.param("port", "65536", "PORT", id="a port beyond all"),
    pytest.param("port", "http", "PORT", id="a port by name"),
    pytest.param("threads", "0", "THREADS", id="no threads"),
    pytest.param("workers", "-1", "WORKERS", id="less than no workers"),
    pytest.param("debug", "perhaps", "DEBUG", id="neither yes nor no"),
    pytest.param("redis_seconds", "0", "REDIS_SECONDS", id="no time for Redis"),
    pytest.param("ratelimit_scale", "-1", "RATELIMIT_SCALE", id="a negative factor"),
    pytest.param("ratelimit_scale", "nan", "RATELIMIT_SCALE", id="a factor that is no number"),
    pytest.param("password_min_length", "7", "PASSWORD_MIN_LENGTH", id="passwords of 7"),
    pytest.param("log_level", "LOUD", "LOG_LEVEL", id="an unknown level"),
    pytest.param("database_url", "mysql://db/x", "DATABASE_URL must begin with postgresql://", id="MySQL"),
    pytest.param("database_url", "accounts.db", "DATABASE_URL must begin with postgresql://", id="a bare path"),
    pytest.param("database_url", "sqlite://", "DATABASE_URL names a database in memory", id="SQLite in memory"),
    pytest.param("database_url", "sqlite:///:memory:", "DATABASE_URL names a database in memory", id="named memory"),
    pytest.param("redis_url", "http://cache", "REDIS_URL must begin with redis://", id="Redis over http"),
    pytest.param("trusted_proxies", "10.0.0.0/33", "TRUSTED_PROXIES must list networks", id="no network"),
    pytest.param("trusted_proxies", "nginx", "TRUSTED_PROXIES must list networks", id="a proxy by name"),
    pytest.param("trusted_proxies", "*", "TRUSTED_PROXIES must list networks", id="a star"),
    pytest.param("public_url", "accounts.test", "PUBLIC_URL must be a URL", id="a bare host"),
    pytest.param("public_url", "ftp://accounts.test", "PUBLIC_URL must be a URL", id="another scheme"),
    pytest.param("public_url", "https://", "PUBLIC_URL must be a URL", id="no host"),
    pytest.param("public_url", "https://[accounts", "PUBLIC_URL must be a URL", id="half an IPv6 address"),
    pytest.param("public_url", "https://accounts.test:x", "PUBLIC_URL must be a URL", id="no port number"),
    pytest.param("service_name", "\u2615", "SERVICE_NAME must be printable ASCII", id="a picture for a name"),
    pytest.param("service_name", "a\r\nX-Forged: 1", "SERVICE_NAME must be", id="a header in a name"),
    pytest.param("ratelimit_default", "many", "RATELIMIT_DEFAULT must be a number and a time", id="no quota"),
    pytest.param("ratelimit_anonymous", "0/minute", "RATELIMIT_ANONYMOUS must be", id="a quota of nothing"),
    pytest.param("ratelimit_login", "10", "RATELIMIT_LOGIN must be", id="a quota without time"),
    pytest.param("ratelimit_register", "5/fortnight", "RATELIMIT_REGISTER must be", id="an unknown time"),
    pytest.param("celery_broker_url", "sqs://", "CELERY_BROKER_URL must begin with redis://", id="another broker"),
    pytest.param("otel_exporter_otlp_endpoint", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT", id="a bare collector"),
    pytest.param("otel_traces_sampler_arg", "1.1", "OTEL_TRACES_SAMPLER_ARG", id="more than every trace"),
    pytest.param("sentry_dsn", "https://sentry.test/7", "SENTRY_DSN must be what", id="a DSN without key"),
    pytest.param("sentry_dsn", "https://key@sentry.test/", "SENTRY_DSN must be what", id="a DSN without project"),
    pytest.param("sentry_dsn", "sentry", "SENTRY_DSN must be what", id="no DSN"),
    pytest.param("mail_url", "mail.test", "MAIL_URL must be smtp://", id="a bare mail host"),
    pytest.param("mail_url", "http://mail.test", "MAIL_URL must be smtp://", id="mail over http"),
    pytest.param("mail_url", "smtp://", "MAIL_URL must be smtp://", id="mail to nowhere"),
    pytest.param("mail_url", "smtp://mail.test:x", "MAIL_URL must be smtp://", id="no port of mail"),
    pytest.param("mail_url", "smtp://mail.test:0", "MAIL_URL must be smtp://", id="port 0 of mail"),
    pytest.param("mail_url", "smtp://ada@mail.test", "MAIL_URL must be smtp://", id="a user without password"),
    pytest.param("mail_url", "smtp://:pass@mail.test", "MAIL_URL must be smtp://", id="a password without user"),
    pytest.param("mail_url", "smtp://ada:a/b@mail.test", "MAIL_URL must be smtp://", id="a bare / in a password"),
    pytest.param("mail_url", "smtp://ada:a#b@mail.test", "MAIL_URL must be smtp://", id="a bare # in a password"),
    pytest.param("mail_url", "smtp://ada:p%C3%A4ss@mail.test", "MAIL_URL must hold printable", id="not ASCII"),
    pytest.param("mail_url", "smtp://ada:p%0Ass@mail.test", "MAIL_URL must hold printable", id="a line break"),
    pytest.param("mail_from", "nobody", "MAIL_FROM must be one address", id="a sender without host"),
    pytest.param("mail_from", "a@a.test, b@b.test", "MAIL_FROM must be one address", id="two senders"),
    pytest.param("mail_from", "A <a@a.test>\r\nBcc: b@b.test", "MAIL_FROM must be one", id="a header in a sender"),
    pytest.param("mail_from", "Accounts", "MAIL_FROM must be one address", id="a name alone"),
    pytest.param("mail_from", "z\u00f6e@a.test", "MAIL_FROM must be one address", id="a sender beyond ASCII"),
]

UNSAFE: list[Any] = [
    pytest.param({"secret_key": ""}, "SECRET_KEY is missing. Set it to the output of: python3 -c", id="no secret"),
    pytest.param({"secret_key": "k7Jq0-fVb2nX9wRtYzLmPsDhGcAeUi4"}, "SECRET_KEY is shorter than 32", id="31 signs"),
    pytest.param({"secret_key": "abcabcabc" * 5}, "SECRET_KEY is shorter than 32", id="few different signs"),
    pytest.param({"secret_key": "Change-Me-0123456789-abcdefghijklm"}, "or a placeholder", id="change-me"),
    pytest.param({"secret_key": "changeme0123456789abcdefghijklmnop"}, "or a placeholder", id="changeme"),
    pytest.param({"secret_key": "your-secret-key-goes-here-0123456789"}, "or a placeholder", id="your-secret"),
    pytest.param({"secret_key": f"{PRODUCTION['secret_key']},short"}, "SECRET_KEY is shorter", id="a short old one"),
    pytest.param({"public_url": ""}, "PUBLIC_URL is missing. Set it to where users reach", id="no public URL"),
    pytest.param({"public_url": "http://a.test"}, "PUBLIC_URL is not https. Put TLS in front, or", id="http"),
    pytest.param({"allowed_origins": "*"}, "ALLOWED_ORIGINS has '*'. List the exact origins", id="any origin"),
    pytest.param({"allowed_origins": "https://a.test,*"}, "ALLOWED_ORIGINS has '*'.", id="any origin, behind one"),
    pytest.param({"debug": True}, "DEBUG is on. Unset it", id="debug"),
    pytest.param({"trusted_proxies": "0.0.0.0/0"}, "TRUSTED_PROXIES trusts every address", id="all of IPv4"),
    pytest.param({"trusted_proxies": "10.0.0.0/8,::/0"}, "TRUSTED_PROXIES trusts every address", id="all of IPv6"),
    pytest.param({"trusted_proxies": "0.0.0.0/0.0.0.0"}, "TRUSTED_PROXIES trusts every", id="all, by mask"),
    pytest.param({"trusted_proxies": "1.2.3.4/00"}, "TRUSTED_PROXIES trusts every address", id="all, by two zeros"),
    pytest.param({"trusted_proxies": "::"}, "TRUSTED_PROXIES trusts every address", id="the unspecified address"),
    pytest.param({"trusted_proxies": "*"}, "TRUSTED_PROXIES trusts every address", id="a star"),
    pytest.param({"password_hash_memory_kib": 8}, "PASSWORD_HASH_* is below what OWASP asks", id="little memory"),
    pytest.param({"password_hash_time_cost": 1}, "PASSWORD_HASH_* is below what OWASP asks", id="one pass"),
]


def complaints(**given: Any) -> list[str]:
    """Return what the settings are refused for: nothing if they are accepted."""
    try:
        load(env_file=None, **given)
    except UnsafeSettings as refused:
        return str(refused).splitlines()[1:]
    return []


class TestUnusable:
    @pytest.mark.parametrize("world", [{}, PRODUCTION], ids=["development", "production"])
    @pytest.mark.parametrize(("field", "value", "complaint"), UNUSABLE)
    def test_settings_refuse_to_start_anywhere(
        self, world: dict[str, Any], field: str, value: str, complaint: str
    ) -> None:
        found = complaints(**{**world, field: value})

        assert any(complaint in line for line in found), found

    def test_settings_from_the_environment_are_refused_alike(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "http")

        assert len(complaints()) == 1

    @pytest.mark.parametrize(
        "quota", ["600/minute", "1/second", "5 per 2 hours", "100/day", "10/15 minutes", "3 per hour"]
    )
    def test_quotas_may_be_written_in_several_ways(self, quota: str) -> None:
        assert complaints(ratelimit_default=quota) == []


class TestUnsafe:
    @pytest.mark.parametrize(("given", "complaint"), UNSAFE)
    def test_settings_refuse_to_start_in_production_and_say_what_to_do(
        self, given: dict[str, Any], complaint: str
    ) -> None:
        found = complaints(**{**PRODUCTION, **given})

        assert any(complaint in line for line in found), found

    @pytest.mark.parametrize(("given", "complaint"), [case for case in UNSAFE if case.id != "a star"])
    def test_settings_are_let_through_in_development(self, given: dict[str, Any], complaint: str) -> None:
        assert complaints(**given) == []

    def test_settings_are_all_named_at_once(self) -> None:
        found = complaints(environment="production", debug=True, allowed_origins="*", trusted_proxies="0.0.0.0/0")

        assert [line.split()[1] for line in found] == [
            "SECRET_KEY",
            "PUBLIC_URL",
            "ALLOWED_ORIGINS",
            "DEBUG",
            "TRUSTED_PROXIES",
        ]

    def test_passwords_of_mail_are_not_repeated(self) -> None:
        assert "canary" not in "".join(complaints(mail_url="smtp://ada:canary/canary@mail.test"))

    @pytest.mark.parametrize("secret", ["canary-short", "canary-changeme-canary-changeme-canary"])
    def test_secrets_are_not_repeated(self, secret: str) -> None:
        assert "canary" not in "".join(complaints(**{**PRODUCTION, "secret_key": secret}))


class TestProduction:
    def test_starts_with_a_secret_and_a_public_url(self) -> None:
        assert complaints(**PRODUCTION) == []

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param({"public_url": "http://a.test", "allow_http": True}, id="http that is meant"),
            pytest.param({"allowed_origins": "https://a.test, https://b.test"}, id="named origins"),
            pytest.param({"trusted_proxies": "10.0.0.0/8, ::1"}, id="named proxies"),
            pytest.param({"secret_key": f"{PRODUCTION['secret_key']},{ANOTHER_SECRET}"}, id="two secrets"),
        ],
    )
    def test_starts_with_what_is_said_exactly(self, given: dict[str, Any]) -> None:
        assert complaints(**{**PRODUCTION, **given}) == []
