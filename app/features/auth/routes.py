"""The HTTP of auth."""

from typing import Any

from app.core.errors import InvalidToken, Unauthenticated
from app.core.ids import UUID
from app.core.paging import Page
from app.core.permissions import Permission
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.accounts.service import UserOut
from app.features.auth import service as auth
from app.features.auth.schemas import (
    ImpersonationOut,
    KeysOut,
    Login,
    LogoutQuery,
    MeChange,
    MeOut,
    NewImpersonation,
    OthersQuery,
    PasswordChange,
    PendingOut,
    Refresh,
    Registration,
    SecondStepOut,
    SessionOut,
    TokenPairOut,
)
from app.web import caller
from app.web.application import Routes
from app.web.caller import authenticated, in_person, open_to_keys, public, requires, step_up
from app.web.declaration import fails
from app.web.limits import limited
from app.web.paging import PageQuery, paged
from app.web.schemas import asks, returns, takes
from app.web.versions import Guard, conditional

routes = Routes("auth", __name__)


@routes.post("/auth/register")
@public
@takes(Registration)
@returns(UserOut | PendingOut, 201, "Account created.", location="/api/v1/users/{it.id}", status_of={"pending": 202})
@fails(accounts.EmailTaken, accounts.UsernameTaken, auth.TooManyAttempts)
def register(body: Registration) -> accounts.Profile | auth.Pending:
    """Create an account. Its role is always `user`; where addresses must be proven, a mail tells the rest (202)."""
    return auth.register(**body.model_dump())


@routes.post("/auth/login")
@public
@limited("login")
@takes(Login)
@returns(TokenPairOut | SecondStepOut, message="Signed in.", secret=True)
@fails(auth.InvalidCredentials, auth.AccountDisabled, auth.EmailNotVerified, auth.TooManyAttempts)
def login(body: Login) -> auth.TokenPair | auth.SecondStep:
    """Sign in with an e-mail address or a user name. Who has a second factor is asked for it."""
    return auth.login(name=body.name, password=body.password)


@routes.post("/auth/refresh")
@public
@takes(Refresh, optional=True)
@returns(TokenPairOut, message="Tokens refreshed.", secret=True)
@fails(Unauthenticated, InvalidToken, auth.RefreshTokenReused)
def refresh(body: Refresh | None) -> auth.TokenPair:
    """Exchange a refresh token, in the body or as bearer, for a new pair. Each works once."""
    return auth.refresh(body.refresh_token if body else caller.bearer())


@routes.post("/auth/logout")
@public
@takes(Refresh, optional=True)
@asks(LogoutQuery)
@returns(status=204)
@fails(Unauthenticated, InvalidToken, caller.ImpersonationForbids)
def logout(body: Refresh | None, query: LogoutQuery) -> None:
    """End this session, with the access token or the refresh token; or all `others`; or all (`global`)."""
    auth.logout(access_token=caller.bearer(), refresh_token=body.refresh_token if body else None, scope=query.scope)


@routes.get("/auth/me")
@authenticated
@open_to_keys
@returns(MeOut, versioned=True)
def show_me() -> auth.Me:
    """Read your own account."""
    return auth.me(caller.current())


@routes.patch("/auth/me")
@authenticated
@takes(MeChange)
@conditional
@returns(MeOut, message="Profile changed.", versioned=True)
def change_me(body: MeChange, guard: Guard) -> auth.Me:
    """Change your own profile."""
    return auth.change_me(caller=caller.current(), changes=body.given(), guard=guard)


@routes.post("/auth/password/change")
@authenticated
@in_person
@takes(PasswordChange)
@returns(status=204)
@fails(auth.WrongPassword, auth.TooManyAttempts)
def change_password(body: PasswordChange) -> None:
    """Change your password. All your other sessions end."""
    auth.change_password(caller=caller.current(), current=body.current_password, new=body.new_password)


@routes.get("/auth/sessions")
@authenticated
@asks(PageQuery)
@paged
@returns(list[SessionOut])
def list_sessions(query: PageQuery) -> Page[auth.SessionView]:
    """List your live sessions, newest first."""
    return auth.list_sessions(caller=caller.current(), page=query.slice)


@routes.delete("/auth/sessions")
@authenticated
@in_person
@asks(OthersQuery)
@returns(status=204)
def revoke_other_sessions(query: OthersQuery) -> None:  # noqa: ARG001 -- says what there is no other choice about
    """End all your sessions but this one."""
    auth.revoke_others(caller=caller.current())


@routes.delete("/auth/sessions/<uuid:session_id>")
@authenticated
@in_person
@returns(status=204)
def revoke_session(session_id: UUID) -> None:
    """End one of your sessions."""
    auth.revoke_one(session_id, caller=caller.current())


@routes.post("/api/v1/users/<id:user_id>/sessions:revoke")
@requires(Permission.USERS_WRITE)
@returns(status=204)
@fails(access.Escalation)
def revoke_user_sessions(user_id: int) -> None:
    """End all sessions of a user."""
    auth.revoke_sessions_of(user_id, by=caller.current())


@routes.post("/api/v1/users/<id:user_id>/impersonate")
@requires(Permission.USERS_IMPERSONATE)
@step_up
@takes(NewImpersonation, large=True)
@returns(ImpersonationOut, message="You act as this user for a quarter of an hour.", secret=True)
@fails(auth.AdministratorProtected, auth.OwnAccount, auth.InactiveAccount, access.Escalation)
def impersonate(user_id: int, body: NewImpersonation) -> auth.Impersonation:
    """Act as a user who is no administrator and may do nothing that you may not. They get a mail with the reason."""
    return auth.impersonate(user_id, reason=body.reason, by=caller.current())


@routes.get("/.well-known/jwks.json")
@public
@returns(KeysOut, bare=True, cached=600)
def show_keys() -> dict[str, Any]:
    """Read the public keys that verify access tokens (RFC 7517)."""
    return {"keys": auth.public_keys()}
