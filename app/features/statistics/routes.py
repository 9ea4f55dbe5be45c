"""The HTTP of statistics."""

from flask import Response

from app.features.statistics import service as statistics
from app.web.application import Routes
from app.web.caller import bearer, public
from app.web.declaration import hidden
from app.web.limits import exempt

routes = Routes("statistics", __name__)


@routes.get("/metrics")
@public
@exempt
@hidden
def show_metrics() -> Response:
    """Show the metrics to who sends METRICS_TOKEN as bearer."""
    return Response(statistics.exposition(token=bearer()), content_type=statistics.CONTENT_TYPE)
