"""The door of oidc: sign in with, link and unlink accounts that somebody has elsewhere."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import Failure, NotFound, Unavailable
from app.core.ids import UUID
from app.core.keyring import Keyring
from app.core.oidc import OidcProvider
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import service as auth
from app.features.oidc import answers, flows
from app.features.oidc.flows import FLOW_SECONDS, CodeInvalid, Flow, FlowInvalid, browser_of
from app.features.oidc.id_tokens import ProviderAnswerInvalid
from app.features.oidc.models import Identity
from app.features.oidc.people import (
    AccountExists,
    EmailMissing,
    IdentityTaken,
    Person,
    count_users_with_identity,
    find_or_make,
    has_identity,
    link,
    list_of,
    unlink,
)
from app.features.oidc.personal import erase, held_of
from app.infra import db, providers
from app.infra.providers import ProviderRefused, ProviderUnavailable

__all__ = [
    "FLOW_SECONDS",
    "AccountExists",
    "Begun",
    "CodeInvalid",
    "EmailMissing",
    "FlowInvalid",
    "Identity",
    "IdentityTaken",
    "Provider",
    "ProviderAnswerInvalid",
    "ProviderDenied",
    "ProviderRefused",
    "ProviderUnavailable",
    "begin",
    "begin_linking",
    "complete",
    "connect",
    "count_users_with_identity",
    "erase",
    "exchange",
    "has_identity",
    "held_of",
    "list_of",
    "list_providers",
    "unlink",
]

_SIGNED_IN = "/signed-in"

_providers: dict[str, OidcProvider] = {}
_base_url = ""


class ProviderDenied(FlowInvalid):
    """Who was asked there said no, or the provider did."""

    code = "PROVIDER_DENIED"
    message = "The provider did not let you in. Begin again, or sign in another way."


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as clients see it."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and what it must keep to be known when it comes back."""

    url: str
    browser: str


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn which providers there are; once, during assembly."""
    global _providers, _base_url  # noqa: PLW0603 -- set once during assembly
    _providers = {provider.name: provider for provider in settings.oidc_providers}
    _base_url = settings.base_url
    flows.connect(keyring)


def list_providers() -> list[Provider]:
    """Return whom one can sign in with, in the order of the settings."""
    return [Provider(provider.name, provider.label) for provider in _providers.values()]


def begin(name: str, *, next_path: str, challenge: str | None, cookie: str | None) -> Begun:
    """Begin to sign in. With a challenge (PKCE S256) the code at the end is for the app that knows its verifier."""
    return _begin(name, cookie=cookie, next_path=next_path, challenge=challenge or "")


def begin_linking(name: str, *, next_path: str, caller: Caller, cookie: str | None) -> Begun:
    """Begin to link a provider to the caller's account, in the browser of the caller and while the session lives."""
    return _begin(name, cookie=cookie, next_path=next_path, user_id=caller.user_id, session=str(caller.session_id))


def complete(name: str, *, state: str, code: str, error: str, iss: str, cookie: str | None) -> str:
    """Return the path to go on to after coming back from a provider; it carries a code if this was to sign in.

    The flow is spent first, whatever then comes of it. No connection is held while the provider is asked.
    """
    provider = _provider(name)
    try:
        flow = flows.end(name, state=state, browser=cookie)
        if error or not code:
            raise ProviderDenied
        person = providers.converse(
            provider, lambda: answers.ask(provider, flow, code=code, redirect_uri=_callback(name), iss=iss)
        )
        return _link(flow, person) if flow.user_id is not None else _sign_in(flow, person, cookie or "")
    except Failure as failure:
        _record(failure, name)
        raise


def exchange(*, code: str, verifier: str | None, cookie: str | None) -> auth.TokenPair | auth.SecondStep:
    """Begin a session for who holds the code of a sign-in."""
    signer = auth.signer()
    try:
        user_id = flows.spend_code(code, verifier=verifier, browser=cookie)
        return auth.admit(user_id=user_id, methods=[auth.PROVIDER], signer=signer)
    except Failure as failure:
        _record(failure)
        raise


def _begin(
    name: str,
    *,
    cookie: str | None,
    next_path: str,
    challenge: str = "",
    user_id: int | None = None,
    session: str = "",
) -> Begun:
    provider = _provider(name)
    browser = browser_of(cookie)
    providers.converse(provider, lambda: providers.endpoints(provider))
    flow = flows.begin(
        name, browser=browser, next_path=next_path, challenge=challenge, user_id=user_id, session=session
    )
    asked = {"state": flow.state, "code_verifier": flow.verifier, "redirect_uri": _callback(name)}
    if provider.issuer:
        asked["nonce"] = flow.nonce
    return Begun(providers.authorization_url(provider, **asked), browser)


def _sign_in(flow: Flow, person: Person, browser: str) -> str:
    user_id = find_or_make(person)
    with db.apart():
        _refuse_disabled(user_id)
        code = flows.keep_code(flow, user_id=user_id, browser=browser)
    return _with_code(flow.next or _SIGNED_IN, code)


def _link(flow: Flow, person: Person) -> str:
    with db.apart():
        _refuse_dead(flow)
        link(person, user_id=flow.user_id or 0)
    return flow.next or _SIGNED_IN


def _provider(name: str) -> OidcProvider:
    found = _providers.get(name)
    if found is None:
        raise NotFound
    return found


def _callback(name: str) -> str:
    return f"{_base_url}/auth/oidc/{name}/callback"


def _refuse_dead(flow: Flow) -> None:
    """Raise FlowInvalid if the session that wanted to link is over."""
    if not auth.is_live(UUID(flow.session_id)):
        raise FlowInvalid


def _refuse_disabled(user_id: int) -> None:
    user = accounts.find_user(user_id)
    if user is None or not user.is_active or user.deleted_at is not None:
        raise auth.AccountDisabled


def _with_code(path: str, code: str) -> str:
    parts = urlsplit(path)
    query = f"{parts.query}&code={quote(code)}" if parts.query else f"code={quote(code)}"
    return parts._replace(query=query).geturl()


def _record(failure: Failure, provider: str | None = None) -> None:
    """Have a failure recorded although its request is rolled back; a provider that is away is nobody's failure."""
    if isinstance(failure, Unavailable):
        return
    detail = {"code": failure.code, "provider": provider} if provider else {"code": failure.code}
    db.after_rollback(lambda: audit.record("authn_login_fail", outcome="failure", detail=detail))
