"""OIDC_PROVIDERS: what is read, and what refuses to start."""

import json
from typing import Any

import pytest

from app.core.config import UnsafeSettings, load
from tests.core.settings import PRODUCTION

pytestmark = pytest.mark.usefixtures("_nothing_is_set")

OPENID = {"name": "corp", "issuer": "https://id.corp.test/realms/a", "client_id": "carboy", "client_secret": "canary"}
PLAIN = {
    "name": "hub",
    "client_id": "carboy",
    "authorize_url": "https://hub.test/authorize",
    "token_url": "https://hub.test/token",
    "userinfo_url": "https://api.hub.test/user",
}


def complaints(*providers: dict[str, Any], **given: Any) -> str:
    """Return what the providers are refused for; nothing if they are accepted."""
    try:
        load(env_file=None, oidc_providers=list(providers), **given)
    except UnsafeSettings as refused:
        return str(refused)
    return ""


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in PLAIN.items() if field != name}


class TestProviders:
    def test_are_read_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OIDC_PROVIDERS", json.dumps([OPENID, PLAIN]))

        first, second = load(env_file=None).oidc_providers

        assert (first.name, first.label, first.scopes) == ("corp", "Corp", "openid email profile")
        assert (second.userinfo_url, second.issuer) == ("https://api.hub.test/user", "")

    @pytest.mark.parametrize("world", [{}, PRODUCTION], ids=["development", "production"])
    def test_of_both_kinds_may_start(self, world: dict[str, Any]) -> None:
        assert complaints(OPENID, PLAIN, **world) == ""

    @pytest.mark.parametrize(
        ("provider", "complaint"),
        [
            pytest.param({"name": "x", "client_id": "c"}, "x needs an issuer, or all of", id="neither"),
            *(
                pytest.param(without(f"{name}_url"), "hub needs an issuer, or all of", id=f"no {name}_url")
                for name in ("authorize", "token", "userinfo")
            ),
            pytest.param(PLAIN | {"issuer": "https://hub.test"}, "has an issuer and endpoints", id="both"),
            pytest.param(OPENID | {"emails_url": "https://a.test"}, "has an issuer and endpoints", id="a list besides"),
            pytest.param(OPENID | {"scopes": "email"}, "scopes must have openid", id="not openid"),
            pytest.param(OPENID | {"issuer": "id.corp.test"}, "issuer must be a URL", id="a bare host"),
            pytest.param(OPENID | {"issuer": "https://a.test?x=1"}, "issuer must be a URL", id="a query"),
            pytest.param(OPENID | {"issuer": "https://me:pw@a.test"}, "issuer must be a URL", id="a password"),
            pytest.param(PLAIN | {"token_url": "file:///x"}, "token_url must be a URL", id="a file"),
            pytest.param(OPENID | {"name": "Corp!"}, "OIDC_PROVIDERS", id="a name that is no part of a path"),
            pytest.param(OPENID | {"client_id": ""}, "OIDC_PROVIDERS", id="no client"),
            pytest.param(OPENID | {"isuer": "x"}, "OIDC_PROVIDERS", id="a misspelling"),
        ],
    )
    def test_that_cannot_work_refuse_to_start(self, provider: dict[str, Any], complaint: str) -> None:
        found = complaints(provider)

        assert complaint in found
        assert "canary" not in found

    def test_of_one_name_refuse_to_start(self) -> None:
        assert "OIDC_PROVIDERS names corp twice." in complaints(OPENID, OPENID, OPENID)

    @pytest.mark.parametrize(
        "provider",
        [
            OPENID | {"issuer": "http://id.corp.test"},
            PLAIN | {"token_url": "http://hub.test/token"},
            PLAIN | {"emails_url": "http://hub.test/emails"},
        ],
        ids=["issuer", "token_url", "emails_url"],
    )
    def test_without_tls_refuse_to_start_in_production_only(self, provider: dict[str, Any]) -> None:
        assert "is not https" in complaints(provider, **PRODUCTION)
        assert "is not https" in complaints(provider, **PRODUCTION, allow_http=True)
        assert complaints(provider) == ""

    @pytest.mark.parametrize("written", ["[", "canary", '[{"client_secret": "canary"'])
    def test_that_are_no_json_refuse_to_start_without_repeating_them(
        self, monkeypatch: pytest.MonkeyPatch, written: str
    ) -> None:
        monkeypatch.setenv("OIDC_PROVIDERS", written)

        with pytest.raises(UnsafeSettings, match="oidc_providers") as refused:
            load(env_file=None)

        assert "canary" not in str(refused.value)

    def test_keep_their_secrets_to_themselves(self) -> None:
        assert "canary" not in repr(load(env_file=None, oidc_providers=[OPENID]))
