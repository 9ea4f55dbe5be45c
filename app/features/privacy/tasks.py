"""What privacy does on its own."""

from datetime import timedelta

from app.features.jobs import service as jobs
from app.features.privacy import service as privacy
from app.infra.queue import task

erase_due = task("privacy.erase_due", every=timedelta(hours=1), unit=False)(privacy.ask_for_erasures)
erase = jobs.job(privacy.ERASE, limit=timedelta(minutes=5))(privacy.erase_left)
