"""What happens to old notes."""

from datetime import timedelta

from app.features.freshness import service as freshness
from app.infra.queue import task

forget_old = task("freshness.forget_old", every=timedelta(hours=1))(freshness.forget_old)
