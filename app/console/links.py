"""The pages behind the links in mails. Opening one changes nothing, because scanners open links too; its form does."""

from dataclasses import dataclass

from flask import Response, render_template, request

from app.console.forms import field
from app.core.errors import Failure
from app.features.auth import service as auth
from app.web import errors
from app.web.application import Routes
from app.web.caller import public
from app.web.declaration import hidden
from app.web.schemas import arguments

routes = Routes("links", __name__, template_folder="templates")


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says before and after, and what its button does. ``sets_password``: it asks for a new one."""

    title: str
    text: str
    button: str
    done: str
    next: str
    sets_password: bool = False


PAGES = {
    "/reset-password": Page(
        "Choose a new password",
        "You will be signed out everywhere and can then sign in with the new password.",
        "Set password",
        "Your password is set",
        "All your sessions have ended. Sign in with the new password.",
        sets_password=True,
    ),
    "/verify-email": Page(
        "Confirm your address",
        "This tells us that the mail of this address reaches you.",
        "Confirm address",
        "Your address is confirmed",
        "Thank you. You can sign in now.",
    ),
    "/change-email": Page(
        "Change to this address",
        "From then on you sign in with this address, and our mail comes here. Your other sessions end.",
        "Change address",
        "Your address is changed",
        "From now on our mail comes to this address. The earlier one got a notice.",
    ),
    "/undo-email": Page(
        "This was not you?",
        "Your account gets this address back, everybody is signed out, and the password stops working."
        " You then get a mail to set a new one.",
        "Take my account back",
        "Your account has this address again",
        "Everybody was signed out. A mail is on its way: set a new password with its link.",
    ),
}


@routes.get("/reset-password")
@public
@hidden
def show_reset() -> Response:
    """Ask for a new password."""
    return _form(arguments().get("token", ""))


@routes.post("/reset-password")
@public
@hidden
def reset_password() -> Response:
    """Set the new password."""
    auth.reset_password(token=field("token"), new=field("new_password"))
    return _done()


@routes.get("/verify-email")
@public
@hidden
def show_verify() -> Response:
    """Ask to confirm."""
    return _form(arguments().get("token", ""))


@routes.post("/verify-email")
@public
@hidden
def verify_email() -> Response:
    """Note that the address is proven."""
    auth.verify_email(token=field("token"))
    return _done()


@routes.get("/change-email")
@public
@hidden
def show_change() -> Response:
    """Ask to confirm."""
    return _form(arguments().get("token", ""))


@routes.post("/change-email")
@public
@hidden
def change_email() -> Response:
    """Switch to the new address."""
    auth.confirm_email_change(token=field("token"))
    return _done()


@routes.get("/undo-email")
@public
@hidden
def show_undo() -> Response:
    """Ask to confirm."""
    return _form(arguments().get("token", ""))


@routes.post("/undo-email")
@public
@hidden
def undo_email() -> Response:
    """Give the earlier address back."""
    auth.undo_email_change(token=field("token"))
    return _done()


@routes.errorhandler(Failure)
def _explain(failure: Failure) -> Response:
    """Show what is wrong on the page itself, with its form: nothing was used up. Programs get what they always get."""
    answer = errors.answer(failure)
    if answer.mimetype == "text/html" and request.path in PAGES and request.method == "POST":
        link_is_bad = isinstance(failure, auth.InvalidLink)
        reasons = [reason for found in failure.details.values() for reason in found]
        wrong = reasons if reasons and not link_is_bad else [str(failure)]
        answer.set_data(_written(request.form.get("token", ""), wrong=wrong, again=not link_is_bad))
    return _private(answer)


def _form(token: str) -> Response:
    return _private(Response(_written(token), mimetype="text/html"))


def _written(token: str, *, wrong: list[str] | None = None, again: bool = True) -> str:
    page = PAGES[request.path]
    return render_template("link.html", page=page, path=request.path, token=token, wrong=wrong or [], again=again)


def _done() -> Response:
    return _private(Response(render_template("link_done.html", page=PAGES[request.path]), mimetype="text/html"))


def _private(page: Response) -> Response:
    """Let the browser tell nobody the address of this page: the code is in it."""
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
