"""Both servers that Carboy runs on; what holds of one holds of the other."""

import pytest

from tests.live import GRANIAN, GUNICORN
from tests.world import SERVICES

Kind = tuple[str, ...]
"""The module that serves, and its arguments."""

KINDS = [
    pytest.param(GRANIAN, id="granian"),
    pytest.param(
        GUNICORN,
        id="gunicorn",
        marks=pytest.mark.skipif(not SERVICES, reason="the other server takes its turn in the services world"),
    ),
]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found
