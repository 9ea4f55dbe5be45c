"""Carboy, a Flask service crated to ship.

Six floors, imports only go down:

1. ``core``      plain Python: settings, failures, permissions, tokens, passwords
2. ``infra``     the neighbours: database, Redis, logs; each with an embedded form
3. ``web``       what every HTTP answer needs; knows no feature
4. ``features``  what the product does; a stack, top stands on bottom
5. ``console``   HTML pages over the features
6. ``main``      assembly: the factory, the commands, the server
"""

from app.main.factory import create_app

__all__ = ["create_app"]
