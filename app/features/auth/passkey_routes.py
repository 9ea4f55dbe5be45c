"""The HTTP of passkeys."""

from typing import Any

from app.core.errors import InvalidToken
from app.core.ids import UUID
from app.core.paging import Page
from app.features.auth import service as auth
from app.features.auth.schemas import PasskeyChange, PasskeyChoice, PasskeyLogin, PasskeyRegistration, TokenPairOut
from app.features.factors import service as factors
from app.web import caller
from app.web.application import Routes
from app.web.caller import authenticated, in_person, public, step_up
from app.web.declaration import fails
from app.web.limits import limited
from app.web.paging import PageQuery, paged
from app.web.schemas import asks, returns, takes

routes = Routes("passkeys", __name__)


@routes.post("/auth/passkeys/register/options")
@authenticated
@step_up
@returns(factors.CreationOptionsOut, secret=True)
def begin_passkey() -> dict[str, Any]:
    """Ask for what `navigator.credentials.create()` is given. The challenge works once, for five minutes."""
    return auth.begin_passkey(caller=caller.current())


@routes.post("/auth/passkeys/register/verify")
@authenticated
@step_up
@takes(PasskeyRegistration)
@returns(factors.PasskeyOut, 201, "Passkey added.")
@fails(auth.PasskeyRefused, factors.PasskeyTaken, factors.TooManyPasskeys)
def finish_passkey(body: PasskeyRegistration) -> factors.PasskeyView:
    """Register the passkey that the browser made. All your other sessions end."""
    return auth.finish_passkey(caller=caller.current(), attestation=body.credential, name=body.name)


@routes.post("/auth/passkeys/login/options")
@public
@takes(PasskeyChoice, optional=True)
@returns(factors.RequestOptionsOut, secret=True)
@fails(InvalidToken)
def begin_passkey_login(body: PasskeyChoice | None) -> dict[str, Any]:
    """Ask for what `navigator.credentials.get()` is given. The challenge works once, for five minutes.

    With the `mfa_token` of a sign-in that waits it names the passkeys of that account.
    """
    return auth.passkey_challenge(mfa_token=body.mfa_token if body else None)


@routes.post("/auth/passkeys/login/verify")
@public
@limited("login")
@takes(PasskeyLogin)
@returns(TokenPairOut, message="Signed in.", secret=True)
@fails(auth.InvalidPasskey, auth.AccountDisabled, auth.EmailNotVerified, auth.TooManyAttempts)
def login_with_passkey(body: PasskeyLogin) -> auth.TokenPair:
    """Sign in with a passkey alone: no name, no password, no further factor."""
    return auth.login_with_passkey(assertion=body.credential)


@routes.get("/auth/passkeys")
@authenticated
@asks(PageQuery)
@paged
@returns(list[factors.PasskeyOut])
def list_passkeys(query: PageQuery) -> Page[factors.PasskeyView]:
    """List your passkeys, newest first."""
    return auth.list_passkeys(caller=caller.current(), page=query.slice)


@routes.patch("/auth/passkeys/<uuid:passkey_id>")
@authenticated
@in_person
@takes(PasskeyChange)
@returns(factors.PasskeyOut, message="Passkey renamed.")
def rename_passkey(passkey_id: UUID, body: PasskeyChange) -> factors.PasskeyView:
    """Rename one of your passkeys."""
    return auth.rename_passkey(passkey_id, caller=caller.current(), name=body.name)


@routes.delete("/auth/passkeys/<uuid:passkey_id>")
@authenticated
@step_up
@returns(status=204)
@fails(auth.LastWayIn, auth.LastFactor)
def remove_passkey(passkey_id: UUID) -> None:
    """Remove one of your passkeys, unless you could not sign in without it. All your other sessions end."""
    auth.remove_passkey(passkey_id, caller=caller.current())
