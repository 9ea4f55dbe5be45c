"""What idempotency does on its own."""

from datetime import timedelta

from app.features.idempotency import service as idempotency
from app.infra.queue import task

forget_old = task("idempotency.forget_old", every=timedelta(hours=1))(idempotency.forget_old)
