"""``celery -A tests.features.jobs.crew_of_celery worker`` and ``beat``: Celery with the jobs of the crew."""

from app.infra import queue
from tests.features.jobs.crew import assemble

assemble()
celery = queue.celery()
