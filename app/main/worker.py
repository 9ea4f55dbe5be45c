"""The entry of Celery: ``celery -A app.main.worker worker``, and beside it ``celery -A app.main.worker beat``."""

from app.core import config
from app.infra import queue
from app.main.factory import create_app
from app.main.starting import RefusesToStart

try:
    settings = config.load()
except config.UnsafeSettings as error:
    raise RefusesToStart(str(error)) from None
create_app(settings)
if not queue.is_remote():
    raise RefusesToStart(
        "Carboy refuses to start:\n  - CELERY_BROKER_URL is missing. Without it the server does the work."
    )
celery = queue.celery()
