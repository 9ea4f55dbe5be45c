"""The page that makes the first administrator, reached by the one-time link that ``make run`` prints."""

from flask import Response, render_template

from app.console.forms import field
from app.features.auth import service as auth
from app.web.application import Routes
from app.web.caller import public
from app.web.declaration import hidden
from app.web.schemas import arguments

routes = Routes("setup", __name__, template_folder="templates")


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
    user = auth.set_up(code=field("code"), username=field("username"), email=field("email"), password=field("password"))
    return Response(render_template("setup_done.html", user=user), mimetype="text/html")
