"""The HTTP of visits, and the start page."""

from flask import Response, render_template, request

from app.features.visits import service as visits
from app.features.visits.schemas import Visit, VisitsOut
from app.web.application import Routes
from app.web.caller import public
from app.web.schemas import returns, takes

routes = Routes("visits", __name__, template_folder="templates")


@routes.get("/")
@public
@returns(VisitsOut | None)
def start() -> visits.Visits | Response | None:
    """Count a visit, and show the start page to people or the numbers to programs."""
    visits.count("/")
    found = visits.find_summary()
    if "text/html" in request.headers.get("Accept", ""):
        return Response(render_template("start.html", visits=found), mimetype="text/html")
    return found


@routes.post("/api/v1/visits")
@public
@takes(Visit, large=True, optional=True)
@returns(VisitsOut | None, 201, "Visit counted.")
def count_visit(body: Visit | None) -> visits.Visits | None:
    """Count a visit to a page."""
    visits.count(body.page if body else "/")
    return visits.find_summary()


@routes.get("/api/v1/visits")
@public
@returns(VisitsOut)
def show_visits() -> visits.Visits:
    """Read how often pages were seen: in total, today, and by how many today."""
    return visits.summary()
