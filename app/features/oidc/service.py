"""The door of oidc."""

from app.features.oidc.personal import erase, held_of

__all__ = ["erase", "held_of"]
