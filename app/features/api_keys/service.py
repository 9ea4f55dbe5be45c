"""The door of api_keys."""

from app.features.api_keys.personal import end_all_of, erase, held_of

__all__ = ["end_all_of", "erase", "held_of"]
