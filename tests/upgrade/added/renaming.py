"""Fills users.given_name from users.first_name, in batches of a transaction each."""

from typing import Any

from sqlalchemy import select, update

from app.features.accounts import models
from app.features.jobs import service as jobs
from app.infra import db

_BATCH = 500

User: Any = models.User
"""Of any type, as this file is read in the tree of release N, which has no ``given_name``."""


@jobs.job("accounts.fill_given_names")
def fill(after: int = 0) -> None:
    """Make the names of some people equal, and ask for the next ones."""
    # What differs, not what is empty: a release that knows one column alone may have written since.
    differs = User.given_name.is_distinct_from(User.first_name)
    some = select(User.id).where(User.id > after, differs).order_by(User.id).limit(_BATCH)
    found = db.session().scalars(some).all()
    if not found:
        return
    # It is no change that anybody made: version and time stay, which are the ETag and the order of lists.
    same = {"given_name": User.first_name, "updated_at": User.updated_at}
    filled = update(User).where(User.id.in_(found)).values(same)
    db.session().execute(filled.execution_options(synchronize_session=False))
    jobs.enqueue("accounts.fill_given_names", {"after": found[-1]})
