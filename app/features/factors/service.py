"""The door of factors."""

from app.features.factors.personal import erase, held_of

__all__ = ["erase", "held_of"]
