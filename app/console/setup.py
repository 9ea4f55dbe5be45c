"""The page that makes the first administrator, reached by the one-time link that ``make run`` prints."""

from flask import Response, render_template, request

from app.core.errors import Malformed
from app.features.auth import service as auth
from app.web.application import Routes
from app.web.bodies import text
from app.web.caller import public
from app.web.declaration import SMALL, hidden
from app.web.schemas import arguments

routes = Routes("setup", __name__, template_folder="templates")

_LONGEST = 300


@routes.get("/setup")
@public
@hidden
def show_setup() -> Response:
    """Show the form. Consumes nothing: links are opened by scanners too."""
    page = Response(render_template("setup.html", code=arguments().get("code", "")), mimetype="text/html")
    page.headers["Referrer-Policy"] = "no-referrer"
    return page


@routes.post("/setup")
@public
@hidden
def set_up() -> Response:
    """Make the first administrator. If that fails the code stays good."""
    user = auth.set_up(
        code=_field("code"), username=_field("username"), email=_field("email"), password=_field("password")
    )
    return Response(render_template("setup_done.html", user=user), mimetype="text/html")


def _field(name: str) -> str:
    request.max_content_length = SMALL
    value = request.form.get(name, "")
    if len(value) > _LONGEST:
        raise Malformed("A field is too long.")
    return text(value, name)
