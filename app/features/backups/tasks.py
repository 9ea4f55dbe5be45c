"""What backups does on its own."""

from datetime import timedelta

from app.features.backups import service as backups
from app.infra.queue import task

run_due = task("backups.run_due", every=timedelta(minutes=15), unit=False)(backups.run_due)
