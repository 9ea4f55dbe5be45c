"""What a view says of itself: the source of validation, authorisation, serialisation and of the OpenAPI document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar, cast

from pydantic import BaseModel, TypeAdapter

from app.core.errors import Failure
from app.core.permissions import Permission

View = Callable[..., Any]
V = TypeVar("V", bound=View)

SMALL, LARGE = 16 * 1024, 1024 * 1024


class Access(Enum):
    """Who may call a view that asks for no permission."""

    PUBLIC = "public"
    AUTHENTICATED = "authenticated"


@dataclass(slots=True)
class Declaration:
    """Collected from the decorators of one view. ``access`` is None until declared, and then nothing starts."""

    access: Access | frozenset[Permission] | None = None
    open_to_keys: bool = False
    in_person: bool = False
    step_up: bool = False
    takes: type[BaseModel] | None = None
    body_optional: bool = False
    body_limit: int = LARGE
    query: type[BaseModel] | None = None
    paged: bool = False
    conditional: bool = False
    returns: TypeAdapter[Any] | None = None
    richer: Mapping[Permission, TypeAdapter[Any]] = field(default_factory=dict)
    status: int = 200
    message: str = "OK"
    location: str | None = None
    versioned: bool = False
    bare: bool = False
    secret: bool = False
    cached: int = 0
    status_of: Mapping[str, int] = field(default_factory=dict)
    hidden: bool = False
    for_people: bool = False
    limits: tuple[str, ...] = ()
    exempt: bool = False
    fails: tuple[type[Failure], ...] = ()


def of(view: View) -> Declaration:
    """Return what a view declares; begin it if it says nothing yet."""
    found = getattr(view, "declaration", None)
    if found is None:
        found = Declaration()
        vars(view)["declaration"] = found
    return cast("Declaration", found)


def declare(**said: object) -> Callable[[V], V]:
    """Return a decorator that writes these into the declaration."""

    def decorate(view: V) -> V:
        declaration = of(view)
        for name, value in said.items():
            setattr(declaration, name, value)
        return view

    return decorate


def fails(*failures: type[Failure]) -> Callable[[V], V]:
    """Declare the failures that only this view has, for the reader and for OpenAPI."""
    return declare(fails=failures)


def for_people(view: V) -> V:
    """Declare that browsers are led here: they get a failure as a page, although it is under /auth."""
    return declare(for_people=True)(view)


def hidden(view: V) -> V:
    """Leave a view out of the OpenAPI document: pages, probes of browsers."""
    return declare(hidden=True)(view)
