"""What a provider says of who came back from it, believed only as far as it is proven."""

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from app.core.oidc import OidcProvider
from app.features.oidc import id_tokens
from app.features.oidc.flows import Flow
from app.features.oidc.id_tokens import ProviderAnswerInvalid
from app.features.oidc.people import Person
from app.infra import providers
from app.infra.providers import Endpoints

Said = Mapping[str, Any]

_LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, 2
_LONGEST_NAME = 100


def ask(provider: OidcProvider, flow: Flow, *, code: str, redirect_uri: str, iss: str) -> Person:
    """Return who came back with a code; raise ProviderRefused or ProviderAnswerInvalid. Talks to the provider."""
    known = providers.endpoints(provider)
    _refuse_mix_up(provider, known, iss)
    tokens = providers.redeem(provider, code=code, verifier=flow.verifier, redirect_uri=redirect_uri)
    if provider.issuer:
        return _from_openid(provider, known, tokens, flow.nonce)
    return _from_oauth(provider, known, tokens["access_token"])


def _refuse_mix_up(provider: OidcProvider, known: Endpoints, iss: str) -> None:
    """Compare who says that it answers with whom we asked (RFC 9207), before the code is shown to anybody."""
    if provider.issuer and (iss or known.sends_issuer) and iss != known.issuer:
        raise ProviderAnswerInvalid


def _from_openid(provider: OidcProvider, known: Endpoints, tokens: Said, nonce: str) -> Person:
    claims = _read_id_token(provider, known, tokens, nonce)
    told, addressed = claims, claims
    if "email" not in claims and known.userinfo:
        told = providers.userinfo(provider, tokens["access_token"])
        if told.get("sub") != claims["sub"]:  # OpenID Connect Core 1.0, 5.3.2
            raise ProviderAnswerInvalid
        addressed = told
    return _person(
        provider,
        known,
        subject=claims["sub"],
        told={**claims, **told},
        email=addressed.get("email"),
        verified=addressed.get("email_verified"),
    )


def _read_id_token(provider: OidcProvider, known: Endpoints, tokens: Said, nonce: str) -> Said:
    expected = {
        "issuer": known.issuer,
        "client_id": provider.client_id,
        "nonce": nonce,
        "access_token": tokens["access_token"],
    }
    try:
        return id_tokens.read(tokens.get("id_token"), keys=providers.public_keys(provider), **expected)
    except id_tokens.KeyUnknown:  # a new key, perhaps
        return id_tokens.read(tokens.get("id_token"), keys=providers.public_keys(provider, again=True), **expected)


def _from_oauth(provider: OidcProvider, known: Endpoints, access_token: str) -> Person:
    told = providers.userinfo(provider, access_token)
    subject = told["sub"] if "sub" in told else told.get("id")
    email, verified = told.get("email"), told.get("email_verified")
    if provider.emails_url:
        listed = providers.addresses(provider, access_token)
        primary: Said = next((entry for entry in listed if entry.get("primary") is True), {})
        email, verified = primary.get("email"), primary.get("verified")
    if type(subject) is int:
        subject = str(subject)
    return _person(provider, known, subject=subject, told=told, email=email, verified=verified)


def _person(
    provider: OidcProvider, known: Endpoints, *, subject: object, told: Said, email: object, verified: object
) -> Person:
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise ProviderAnswerInvalid
    if not (subject.isascii() and subject.isprintable()):
        raise ProviderAnswerInvalid
    return Person(
        provider=provider.name,
        title=provider.label,
        issuer=known.issuer,
        subject=subject,
        email=email if isinstance(email, str) and email.isprintable() else "",
        email_verified=verified is True or verified == "true",  # some providers write it as a string
        username=_line(told.get("preferred_username") or told.get("login")),
        first_name=_line(told.get("given_name")),
        last_name=_line(told.get("family_name")),
    )


def _line(value: object) -> str:
    """Return a line of text without control characters, empty for what is none."""
    if not isinstance(value, str):
        return ""
    return "".join(sign for sign in normalize("NFC", value) if sign.isprintable())[:_LONGEST_NAME]
