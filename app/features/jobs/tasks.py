"""What jobs do on their own."""

from datetime import timedelta

from app.features.jobs import service as jobs
from app.infra import queue


@queue.task(queue.TICK, unit=False)
def tick() -> None:
    """Start what the timetable has due, and have done what nobody heard of."""
    jobs.run_due()
    jobs.sweep()


work = queue.task(jobs.WORK, unit=False)(jobs.work)
forget_old = queue.task("jobs.forget_old", every=timedelta(hours=1), unit=False)(jobs.forget_old)
