"""How visits look on the wire."""

from typing import Annotated

from pydantic import StringConstraints

from app.web.schemas import Out, Schema

PagePath = Annotated[str, StringConstraints(max_length=200, pattern=r"^/[A-Za-z0-9/._~-]*$")]


class Visit(Schema):
    """The page that was seen."""

    page: PagePath = "/"


class PageVisitsOut(Out):
    """One page's visits."""

    page: str
    total: int
    today: int


class VisitsOut(Out):
    """All visits. Days are UTC; unique visitors are told apart by address and browser."""

    total: int
    today: int
    unique_visitors_today: int
    pages: list[PageVisitsOut]
