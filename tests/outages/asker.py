"""``python -m tests.outages.asker`` asks for a job for each name that it reads; stderr says whether that is stored."""

import sys

from app.core.errors import Unavailable
from app.features.jobs import service as jobs
from app.infra import db
from tests.features.jobs import crew


def ask(name: str) -> str:
    try:
        with db.unit_of_work():
            jobs.enqueue("test.leave", {"name": name})
    except Unavailable:
        return "refused"
    return "asked"


def main() -> None:
    crew.assemble()
    for line in sys.stdin:
        sys.stderr.write(ask(line.strip()) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
