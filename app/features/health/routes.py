"""The HTTP of health, for balancers and orchestrators: bare answers, never limited."""

from app.features.health import service
from app.features.health.schemas import HealthOut, ReadinessOut
from app.web.application import Routes
from app.web.caller import public
from app.web.limits import exempt
from app.web.schemas import returns

routes = Routes("health", __name__)


@routes.get("/health")
@routes.get("/healthz", endpoint="healthz")
@public
@exempt
@returns(HealthOut, bare=True)
def health() -> service.Health:
    """Tell that this process answers. Asks no neighbour."""
    return service.health()


@routes.get("/readiness")
@public
@exempt
@returns(ReadinessOut, bare=True, status_of={"not_ready": 503, "draining": 503})
def readiness() -> service.Readiness:
    """Tell whether this instance can do its work. 503 if not: send it no traffic."""
    return service.readiness()
