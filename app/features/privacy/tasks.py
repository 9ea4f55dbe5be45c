"""What privacy does on its own."""

from datetime import timedelta

from app.features.privacy import service as privacy
from app.infra.queue import task

erase_due = task("privacy.erase_due", every=timedelta(hours=1), unit=False)(privacy.erase_due)
