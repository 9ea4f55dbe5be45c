"""The HTTP of second factors and of step-up."""

from app.core.errors import InvalidToken, NotFound
from app.core.permissions import Permission
from app.features.access import service as access
from app.features.auth import service as auth
from app.features.auth.schemas import (
    FactorsOut,
    Reauthentication,
    ReauthenticationOut,
    RecoveryCodesOut,
    SecondStep,
    TokenPairOut,
    TotpConfirmation,
    TotpOut,
)
from app.features.factors import service as factors
from app.web import caller
from app.web.application import Routes
from app.web.caller import SecondFactorRequired, authenticated, in_person, public, requires, step_up
from app.web.declaration import fails
from app.web.schemas import returns, takes

routes = Routes("second_factors", __name__)


@routes.post("/auth/login/mfa")
@public
@takes(SecondStep)
@returns(TokenPairOut, message="Signed in.", secret=True)
@fails(InvalidToken, auth.InvalidMfaCode, auth.AccountDisabled, auth.EmailNotVerified, auth.TooManyAttempts)
def finish_login(body: SecondStep) -> auth.TokenPair:
    """Finish a sign-in with a second factor: exactly one of `code`, `recovery_code`, `passkey`. Five tries a token."""
    given = body.given()
    return auth.finish_login(mfa_token=given.pop("mfa_token"), proof=auth.Proof(**given))


@routes.post("/auth/reauth")
@authenticated
@in_person
@takes(Reauthentication)
@returns(ReauthenticationOut, message="Confirmed.", secret=True)
@fails(auth.WrongPassword, auth.WrongFactor, SecondFactorRequired, auth.TooManyAttempts)
def reauthenticate(body: Reauthentication) -> auth.Reauthenticated:
    """Prove once more that it is you. For ten minutes you may then do what needs it.

    The password alone suffices if you have no second factor, or signed in with it.
    """
    return auth.reauthenticate(caller=caller.current(), proof=auth.Proof(**body.given()))


@routes.get("/auth/mfa")
@authenticated
@returns(FactorsOut)
def show_factors() -> factors.Holdings:
    """Read which second factors you have."""
    return auth.holdings_of(caller.current())


@routes.post("/auth/mfa/totp")
@authenticated
@step_up
@returns(TotpOut, message="Confirm with a code of the authenticator.", secret=True)
@fails(factors.TotpEnrolled)
def begin_totp() -> factors.Enrolment:
    """Begin to enrol an authenticator app. The secret is shown once, and counts once it is confirmed."""
    return auth.begin_totp(caller=caller.current())


@routes.post("/auth/mfa/totp/confirm")
@authenticated
@in_person
@takes(TotpConfirmation)
@returns(RecoveryCodesOut, message="Second factor enrolled. Keep the recovery codes.", secret=True)
@fails(auth.WrongFactor, factors.TotpNotBegun, auth.TooManyAttempts)
def confirm_totp(body: TotpConfirmation) -> auth.RecoveryCodes:
    """Enrol the authenticator app that shows this code. The recovery codes are shown once; other sessions end."""
    return auth.confirm_totp(caller=caller.current(), code=body.code)


@routes.delete("/auth/mfa/totp")
@authenticated
@step_up
@returns(status=204)
@fails(NotFound, auth.LastFactor)
def remove_totp() -> None:
    """Remove your authenticator app. Your other sessions end; without another factor the recovery codes end too."""
    auth.remove_totp(caller=caller.current())


@routes.post("/auth/mfa/recovery-codes")
@authenticated
@step_up
@returns(RecoveryCodesOut, message="New recovery codes. The old ones are void.", secret=True)
@fails(auth.NoSecondFactor)
def renew_recovery_codes() -> auth.RecoveryCodes:
    """Make ten new recovery codes, shown once. The old ones are void."""
    return auth.renew_recovery_codes(caller=caller.current())


@routes.delete("/api/v1/users/<id:user_id>/mfa")
@requires(Permission.USERS_WRITE)
@step_up
@returns(status=204)
@fails(access.Escalation, auth.LastFactor)
def reset_second_factor(user_id: int) -> None:
    """Remove all second factors of a user who lost theirs, and end their sessions. Make sure first that it is them."""
    auth.reset_second_factor(user_id=user_id, by=caller.current())
