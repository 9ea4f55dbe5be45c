"""The HTTP of what works by a link in a mail: recovery, verification, change of address."""

from app.features.accounts import service as accounts
from app.features.auth import service as auth
from app.features.auth.schemas import AddressIn, EmailChange, LinkUse, PasswordReset, PendingOut
from app.web import caller
from app.web.application import Routes
from app.web.caller import authenticated, public, step_up
from app.web.declaration import fails
from app.web.schemas import returns, takes

routes = Routes("auth_links", __name__)

_ON_ITS_WAY = "If this can be done, a mail is on its way. Follow its link."


@routes.post("/auth/password/forgot")
@public
@takes(AddressIn)
@returns(PendingOut, 202, _ON_ITS_WAY)
@fails(auth.TooManyAttempts)
def forgot_password(body: AddressIn) -> auth.Pending:
    """Ask for a link to set a new password. The answer is the same whether or not there is such an account."""
    return auth.forgot_password(email=body.email)


@routes.post("/auth/password/reset")
@public
@takes(PasswordReset)
@returns(status=204)
@fails(auth.InvalidLink, auth.TooManyAttempts)
def reset_password(body: PasswordReset) -> None:
    """Set a new password by a link. All sessions end; sign in with the new one."""
    auth.reset_password(token=body.token, new=body.new_password)


@routes.post("/auth/email/verify")
@public
@takes(LinkUse)
@returns(status=204)
@fails(auth.InvalidLink, auth.TooManyAttempts)
def verify_email(body: LinkUse) -> None:
    """Prove your address by a link."""
    auth.verify_email(token=body.token)


@routes.post("/auth/email/resend")
@public
@takes(AddressIn)
@returns(PendingOut, 202, _ON_ITS_WAY)
@fails(auth.TooManyAttempts)
def resend_verification(body: AddressIn) -> auth.Pending:
    """Ask for another link that proves your address. The answer is the same whether or not there is one to prove."""
    return auth.resend_verification(email=body.email)


@routes.post("/auth/email/change")
@authenticated
@step_up
@takes(EmailChange)
@returns(PendingOut, 202, _ON_ITS_WAY)
@fails(auth.TooManyAttempts)
def change_email(body: EmailChange) -> auth.Pending:
    """Ask for a link to a new address. Nothing changes until it is used; the present address is told."""
    return auth.request_email_change(caller=caller.current(), new_email=body.new_email)


@routes.post("/auth/email/change/confirm")
@public
@takes(LinkUse)
@returns(status=204)
@fails(auth.InvalidLink, accounts.EmailTaken, auth.TooManyAttempts)
def confirm_email_change(body: LinkUse) -> None:
    """Switch to the new address by the link that went there. Your other sessions end."""
    auth.confirm_email_change(token=body.token)


@routes.post("/auth/email/change/undo")
@public
@takes(LinkUse)
@returns(status=204)
@fails(auth.InvalidLink, accounts.EmailTaken, auth.TooManyAttempts)
def undo_email_change(body: LinkUse) -> None:
    """Take your earlier address back by the link that went there. All sessions end; a mail lets you set a password."""
    auth.undo_email_change(token=body.token)
