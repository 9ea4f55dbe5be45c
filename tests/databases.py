"""Databases beside another one on the same PostgreSQL server, which the URL of that other one names."""

import psycopg
from sqlalchemy import URL, make_url


def make_empty(beside: str, name: str) -> str:
    """Make an empty database, in the place of one that had this name, and return its URL."""
    drop(beside, name)
    _operate(beside, f"CREATE DATABASE {name}")
    return _shown(make_url(beside).set(database=name))


def drop(beside: str, name: str) -> None:
    """Lose a database, if it is there, with whoever is connected to it."""
    _operate(beside, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _operate(beside: str, statement: str) -> None:
    with psycopg.connect(_shown(make_url(beside).set(drivername="postgresql")), autocommit=True) as operator:
        operator.execute(statement.encode())


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)
