"""The background work of audit."""

from app.features.audit import service as audit


def prune() -> None:
    """Let go of events that are beyond their time; once a day is often enough."""
    audit.prune()
