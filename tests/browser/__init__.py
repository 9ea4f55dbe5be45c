"""Holds what only a real browser can tell: that our pages work under their own security policy."""
