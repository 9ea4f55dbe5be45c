"""What each of the processes that share the suite out has to itself: a database, and a numbered one of Redis."""

from tests import databases


def own_database(url: str, number: int) -> str:
    """Make an empty database for one of several workers on the server of another, and return its URL."""
    return databases.make_empty(url, f"carboy_worker_{number}")


def own_redis(url: str, number: int) -> str:
    """Return the URL of the database of one of several workers on the same Redis: they are numbered."""
    return f"{url.rsplit('/', 1)[0] if url.count('/') > 2 else url}/{number + 1}"
