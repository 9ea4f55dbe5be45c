"""Reading the forms of pages."""

from flask import request

from app.core.errors import Malformed
from app.web.bodies import text
from app.web.declaration import SMALL

_LONGEST = 300


def field(name: str) -> str:
    """Return a field of the form that was sent, empty if it is not there."""
    request.max_content_length = SMALL
    value = request.form.get(name, "")
    if len(value) > _LONGEST:
        raise Malformed("A field is too long.")
    return text(value, name)
