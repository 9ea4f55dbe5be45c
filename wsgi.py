"""The WSGI entry, which also makes ``flask …`` find the application."""

from app.main.starting import wsgi_app

app = wsgi_app()
