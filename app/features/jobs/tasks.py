"""The task that starts the others."""

from app.features.jobs import service as jobs
from app.infra import queue

tick = queue.task(queue.TICK, unit=False)(jobs.run_due)
