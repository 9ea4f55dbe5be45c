"""What audit does on its own."""

from datetime import timedelta

from app.features.audit import service as audit
from app.infra.queue import task

prune = task("audit.prune", every=timedelta(days=1), unit=False)(audit.prune)
watch = task("audit.watch", every=timedelta(minutes=1), unit=False)(audit.look)
