"""The entry of Celery: ``celery -A app.main.worker worker``, and beside it ``celery -A app.main.worker beat``."""

from app.core import config
from app.infra import metrics, queue
from app.main import exporter
from app.main.factory import create_app
from app.main.starting import RefusesToStart


def _count() -> None:
    """Count for Prometheus, in a folder beside that of a server of this machine, and serve it at METRICS_PORT."""
    if settings.metrics_port:
        folder = settings.var_dir / "metrics" / f"worker-{settings.metrics_port}"
        metrics.clear(folder)
        metrics.start(folder)
        exporter.start(settings)


try:
    settings = config.load()
except config.UnsafeSettings as error:
    raise RefusesToStart(str(error)) from None
create_app(settings)
if not queue.is_remote():
    raise RefusesToStart(
        "Carboy refuses to start:\n  - CELERY_BROKER_URL is missing. Without it the server does the work."
    )
celery = queue.celery(when_working=_count)
