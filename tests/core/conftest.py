import os

import pytest

from app.core.config import Settings


@pytest.fixture
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget every setting of the environment that the tests run in."""
    for name in [name for name in os.environ if name.lower() in Settings.model_fields]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("FLASK_DEBUG", raising=False)
