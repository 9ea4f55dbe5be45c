"""The HTTP of oidc."""

from collections.abc import Sequence
from typing import Any

from flask import Response, render_template

from app.core.ids import UUID
from app.features.auth import service as auth
from app.features.oidc import service as oidc
from app.features.oidc.schemas import CallbackQuery, Exchange, IdentityOut, Linking, LinkOut, ProviderOut, StartQuery
from app.web import caller, cookies
from app.web.application import Routes
from app.web.caller import authenticated, public, step_up
from app.web.declaration import fails, for_people, hidden
from app.web.limits import limited
from app.web.schemas import asks, returns, takes

routes = Routes("oidc", __name__, template_folder="templates")

_COOKIE = "oidc"


@routes.get("/auth/oidc")
@public
@returns(list[ProviderOut])
def list_oidc_providers() -> list[oidc.Provider]:
    """List the providers to sign in with."""
    return oidc.list_providers()


@routes.get("/auth/oidc/<provider>/start")
@public
@for_people
@limited("login")
@asks(StartQuery)
@returns(status=303)
@fails(oidc.ProviderUnavailable)
def start_oidc(provider: str, query: StartQuery) -> Response:
    """Go to a provider to sign in. `next` is a path to go on to. An app sends its PKCE `code_challenge` (S256)."""
    begun = oidc.begin(provider, next_path=query.next, challenge=query.code_challenge, cookie=cookies.find(_COOKIE))
    cookies.keep(_COOKIE, begun.browser, seconds=oidc.FLOW_SECONDS)
    return _go_to(begun.url)


@routes.get("/auth/oidc/<provider>/callback")
@public
@for_people
@asks(CallbackQuery)
@returns(status=303)
@fails(
    oidc.FlowInvalid,
    oidc.ProviderDenied,
    oidc.ProviderRefused,
    oidc.ProviderAnswerInvalid,
    oidc.EmailMissing,
    oidc.AccountExists,
    oidc.IdentityTaken,
    auth.AccountDisabled,
    oidc.ProviderUnavailable,
)
def finish_oidc(provider: str, query: CallbackQuery) -> Response:
    """Come back from a provider. Leads on to `next` with a `code` for `POST /auth/oidc/token`, good for a minute."""
    return _go_to(oidc.complete(provider, **query.model_dump(), cookie=cookies.find(_COOKIE)))


@routes.post("/auth/oidc/token")
@public
@takes(Exchange)
@returns(auth.TokenPairOut | auth.SecondStepOut, message="Signed in.", secret=True)
@fails(oidc.CodeInvalid, auth.AccountDisabled, auth.EmailNotVerified)
def exchange_oidc_code(body: Exchange) -> auth.TokenPair | auth.SecondStep:
    """Exchange the code of a sign-in for tokens, once: in the browser that began it, or with the `code_verifier`."""
    return oidc.exchange(code=body.code, verifier=body.code_verifier, cookie=cookies.find(_COOKIE))


@routes.post("/auth/oidc/<provider>/link")
@authenticated
@step_up
@takes(Linking, optional=True)
@returns(LinkOut, message="Go there to link.", secret=True)
@fails(oidc.ProviderUnavailable)
def link_oidc(provider: str, body: Linking | None) -> oidc.Begun:
    """Begin to link a provider to your account: send this same browser to the `url`."""
    begun = oidc.begin_linking(
        provider, next_path=body.next if body else "", caller=caller.current(), cookie=cookies.find(_COOKIE)
    )
    cookies.keep(_COOKIE, begun.browser, seconds=oidc.FLOW_SECONDS)
    return begun


@routes.get("/auth/oidc/identities")
@authenticated
@returns(list[IdentityOut])
def list_identities() -> Sequence[Any]:
    """List the accounts elsewhere that sign in to yours."""
    return oidc.list_of(caller.current())


@routes.delete("/auth/oidc/identities/<uuid:identity_id>")
@authenticated
@step_up
@returns(status=204)
@fails(auth.LastWayIn)
def unlink_oidc(identity_id: UUID) -> None:
    """Unlink one of them, unless it is the only way into your account."""
    oidc.unlink(identity_id, caller=caller.current())


@routes.get("/signed-in")
@public
@hidden
def show_signed_in() -> Response:
    """Say that it worked, for who had nowhere to go on to. Takes no notice of the code in the address."""
    page = Response(render_template("signed_in.html"), mimetype="text/html")
    page.headers["Referrer-Policy"] = "no-referrer"
    return page


def _go_to(url: str) -> Response:
    response = Response(status=303, headers={"Location": url, "Referrer-Policy": "no-referrer"})
    del response.headers["Content-Type"]  # there is no body
    return response
