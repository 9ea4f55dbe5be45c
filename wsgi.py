"""The WSGI entry, which also makes ``flask …`` find the application."""

from app.main.factory import wsgi_app

app = wsgi_app()
