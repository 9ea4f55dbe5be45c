"""How health looks on the wire."""

from pydantic import Field

from app.web.schemas import Out, Timestamp


class HealthOut(Out):
    """That the process answers."""

    status: str
    timestamp: Timestamp
    version: str
    service: str


class CheckOut(Out):
    """One neighbour: `up`, `down`, or `disabled` where this instance has none."""

    status: str
    latency_ms: float | None = None
    available_gb: float | None = Field(None, exclude_if=lambda value: value is None)


class ReadinessOut(Out):
    """`ready`; `degraded`: without a neighbour that is not vital; `not_ready` and `draining`: send no traffic."""

    status: str
    timestamp: Timestamp
    checks: dict[str, CheckOut]
