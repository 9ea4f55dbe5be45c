"""A program that sends mail in children, so that a test can kill one and start the next within milliseconds.

For each line of standard input it starts a child that sends what is due, says its process id, and says when it is over.
"""

import os
import sys

from app.core.config import load
from app.features.mail import service as mail
from app.main.factory import create_app


def main() -> None:
    create_app(load(env_file=None))
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                mail.deliver_pending()
            finally:
                os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("over\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
