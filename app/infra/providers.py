"""Providers of identity over HTTP: OpenID Connect by discovery, OAuth 2 by its endpoints (Authlib on requests).

A provider is a stranger. Its answers are bounded in size and in time, redirects are not followed, proxies and
passwords of the environment are not used, and of what it says nothing is believed here but that it came over TLS.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from io import BytesIO
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import Any, TypeVar

import requests
import urllib3
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped] # Authlib has no types
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped] # as above

from app.core.errors import Unauthenticated, Unavailable
from app.core.oidc import OidcProvider
from app.core.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
Json = Mapping[str, Any]

_DISCOVERY = "/.well-known/openid-configuration"
_LIMIT = 256 * 1024
_CONNECT_SECONDS, _READ_SECONDS = 2.0, 3.0
_CONVERSATION_SECONDS = 6.0
_FRESH_SECONDS = 600.0
_ASK_AGAIN_SECONDS = 2.0
_REST_SECONDS = 5.0
_AT_ONCE = 32
_LONGEST_WORD = 64
_OK = 200


class ProviderUnavailable(Unavailable):
    """The provider is away, too slow, or answers with what no provider should."""

    code = "PROVIDER_UNAVAILABLE"
    message = "The provider does not answer as it should. Try again in a moment, or sign in another way."


class ProviderRefused(Unauthenticated):
    """The provider does not take the code that came with the browser."""

    code = "PROVIDER_REFUSED"
    message = "The provider did not confirm this sign-in. Begin again."


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is spoken to. ``issuer`` is what its subjects are unique within."""

    issuer: str
    authorize: str
    token: str
    userinfo: str = ""
    keys: str = ""
    auth_method: str = "client_secret_post"
    sends_issuer: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    what: Any
    at: float


_discovered: dict[str, _Kept] = {}
_keys: dict[str, _Kept] = {}
_rests_until: dict[str, float] = {}
_places = BoundedSemaphore(_AT_ONCE)


def connect(_settings: Settings) -> None:
    """Forget what was learnt of providers. Opens no connection."""
    for known in (_discovered, _keys, _rests_until):
        known.clear()


def converse(provider: OidcProvider, talk: Callable[[], T]) -> T:
    """Return what a conversation with a provider gives, or raise ProviderUnavailable after six seconds at most.

    Time-outs of sockets bound each packet and not the whole, nor the look-up of a name. So the conversation has a
    thread of its own, which is left behind when the time is over.
    """
    if time.monotonic() < _rests_until.get(provider.name, 0.0) or not _places.acquire(blocking=False):
        raise ProviderUnavailable
    outcome: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((talk(), None))
        except BaseException as error:  # noqa: BLE001 -- raised again by who waits
            outcome.put((None, error))
        finally:
            _places.release()

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    try:
        result, error = outcome.get(timeout=_CONVERSATION_SECONDS)
    except Empty:
        raise _away(provider, "took too long", rest=True) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value] # without an error it is what talk returned


def endpoints(provider: OidcProvider) -> Endpoints:
    """Return where a provider is spoken to: as configured, or as discovered at most ten minutes ago."""
    if not provider.issuer:
        return Endpoints(
            issuer=provider.userinfo_url,
            authorize=provider.authorize_url,
            token=provider.token_url,
            userinfo=provider.userinfo_url,
        )
    kept = _discovered.get(provider.name)
    if kept is None or time.monotonic() - kept.at > _FRESH_SECONDS:
        kept = _Kept(_read_metadata(provider), time.monotonic())
        _discovered[provider.name] = kept
    found: Endpoints = kept.what
    return found


def authorization_url(provider: OidcProvider, **asked: str) -> str:
    """Return where to send the browser: code flow, with PKCE S256 (RFC 7636)."""
    with _session(provider, code_challenge_method="S256", scope=provider.scopes) as session:
        return str(session.create_authorization_url(endpoints(provider).authorize, **asked)[0])


def redeem(provider: OidcProvider, *, code: str, verifier: str, redirect_uri: str) -> Json:
    """Exchange an authorization code for tokens; raise ProviderRefused if the provider says no."""
    known = endpoints(provider)
    method = known.auth_method if provider.client_secret else "none"
    with _session(provider, token_endpoint_auth_method=method) as session:
        try:
            answer: Json = session.fetch_token(
                known.token,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
            )
        except OAuthError as error:
            log.warning("a provider refused a code", extra={"provider": provider.name, "error": _word(error.error)})
            raise ProviderRefused from None
        except (requests.RequestException, ValueError, TypeError, AttributeError, RecursionError):  # not an answer
            raise _away(provider, "its token endpoint gave no token") from None
    if not isinstance(answer.get("access_token"), str):
        raise _away(provider, "its token endpoint gave no token")
    return answer


def public_keys(provider: OidcProvider, *, again: bool = False) -> list[Json]:
    """Return the keys that a provider signs with. ``again``: ask it, unless it was asked two seconds ago."""
    kept = _keys.get(provider.name)
    age = _FRESH_SECONDS + 1 if kept is None else time.monotonic() - kept.at
    if kept is None or age > _FRESH_SECONDS or (again and age > _ASK_AGAIN_SECONDS):
        found = _get(provider, endpoints(provider).keys)
        listed = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(listed, list):
            raise _away(provider, "its keys are not a key set")
        kept = _Kept([key for key in listed if isinstance(key, dict)], time.monotonic())
        _keys[provider.name] = kept
    keys: list[Json] = kept.what
    return keys


def userinfo(provider: OidcProvider, access_token: str) -> Json:
    """Return what the provider says of who holds an access token."""
    found = _get(provider, endpoints(provider).userinfo, access_token)
    if not isinstance(found, dict):
        raise _away(provider, "its user info is not an object")
    return found


def addresses(provider: OidcProvider, access_token: str) -> list[Json]:
    """Return the addresses of who holds an access token, where a provider lists them apart (GitHub)."""
    found = _get(provider, provider.emails_url, access_token)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


class _Session(OAuth2Session):  # type: ignore[misc] # Authlib has no types
    """Authlib's session, bounded."""

    def __init__(self, provider: OidcProvider, **options: Any) -> None:  # noqa: ANN401 -- Authlib's
        super().__init__(provider.client_id, provider.client_secret or None, **options)
        self.trust_env = False  # no .netrc, whose password would go to the provider
        self.verify = provider.ca_file or True
        self._provider = provider

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # noqa: ANN401 -- as requests has it
        """Send a request; return the whole answer, or raise ProviderUnavailable."""
        options |= {"allow_redirects": False, "stream": True, "timeout": (_CONNECT_SECONDS, _READ_SECONDS)}
        try:
            with super().request(method, url, **options) as response:
                body = response.raw.read(_LIMIT + 1, decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            late = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)
            raise _away(self._provider, type(error).__name__, rest=late) from None
        if len(body) > _LIMIT or response.is_redirect or response.status_code >= 500:  # noqa: PLR2004 -- HTTP
            raise _away(self._provider, f"answered {response.status_code} with {len(body)} bytes")
        response.raw = BytesIO(body)
        answer: requests.Response = response
        return answer


def _session(provider: OidcProvider, **options: Any) -> _Session:  # noqa: ANN401 -- Authlib's
    return _Session(provider, **options)


def _get(provider: OidcProvider, url: str, access_token: str = "") -> Any:  # noqa: ANN401 -- JSON of a stranger
    headers = {"Accept": "application/json"}
    if access_token:
        headers["Authorization"] = f"Bearer {access_token}"
    with _session(provider) as session:
        response = session.request("GET", url, withhold_token=True, headers=headers)
        if response.status_code != _OK:
            raise _away(provider, f"answered {response.status_code}")
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise _away(provider, "did not answer in JSON") from None


def _read_metadata(provider: OidcProvider) -> Endpoints:
    """Read OpenID Connect Discovery 1.0; the issuer must name itself exactly as it is configured."""
    found = _get(provider, provider.issuer.rstrip("/") + _DISCOVERY)
    if not isinstance(found, dict) or found.get("issuer") != provider.issuer:
        raise _away(provider, "its metadata names another issuer")
    methods = found.get("token_endpoint_auth_methods_supported")
    basic = not isinstance(methods, list) or "client_secret_basic" in methods
    return Endpoints(
        issuer=provider.issuer,
        authorize=_address(provider, found, "authorization_endpoint"),
        token=_address(provider, found, "token_endpoint"),
        userinfo=_address(provider, found, "userinfo_endpoint") if found.get("userinfo_endpoint") else "",
        keys=_address(provider, found, "jwks_uri"),
        auth_method="client_secret_basic" if basic else "client_secret_post",
        sends_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(provider: OidcProvider, metadata: Json, name: str) -> str:
    """Return an address of the metadata; an issuer on https speaks https everywhere."""
    url = metadata.get(name)
    schemes = ("https://",) if provider.issuer.startswith("https://") else ("https://", "http://")
    if not isinstance(url, str) or not url.startswith(schemes):
        raise _away(provider, f"its metadata lacks {name}")
    return url


def _away(provider: OidcProvider, why: str, *, rest: bool = False) -> ProviderUnavailable:
    """Say why a provider is of no use now. One that does not answer at all is left alone for a while."""
    log.warning("a provider is unavailable", extra={"provider": provider.name, "why": why})
    if rest:
        _rests_until[provider.name] = time.monotonic() + _REST_SECONDS
    return ProviderUnavailable()


def _word(error: object) -> str:
    word = str(error)[:_LONGEST_WORD]
    return word if word.isascii() and word.isprintable() else "unreadable"
