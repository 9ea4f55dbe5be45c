"""What each of the processes that share the suite out has to itself: a database, and a numbered one of Redis."""

import psycopg
from sqlalchemy import make_url


def own_database(url: str, number: int) -> str:
    """Make an empty database for one of several workers on the server of another, and return its URL."""
    server, name = make_url(url), f"carboy_worker_{number}"
    address = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as operator:
        operator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        operator.execute(f"CREATE DATABASE {name}".encode())
    return server.set(database=name).render_as_string(hide_password=False)


def own_redis(url: str, number: int) -> str:
    """Return the URL of the database of one of several workers on the same Redis: they are numbered."""
    return f"{url.rsplit('/', 1)[0] if url.count('/') > 2 else url}/{number + 1}"
