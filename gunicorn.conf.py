"""Gunicorn from Carboy's settings: ``gunicorn``, run where this file lies, serves as ``flask serve`` does."""

import gunicorn.http.wsgi

from app.infra import listening
from app.main import prefork
from app.main.prefork import (  # noqa: F401 -- Gunicorn finds its hooks by name
    on_starting,
    post_fork,
    post_worker_init,
    pre_request,
    when_ready,
    worker_exit,
)

_settings = prefork.settings()

wsgi_app = "app.main.prefork:load()"
bind = [f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"]
backlog = listening.BACKLOG
worker_class = "gthread"
workers = _settings.workers
threads = _settings.server_threads
worker_connections = listening.CONNECTIONS
keepalive = _settings.keep_alive_seconds
graceful_timeout = _settings.stop_seconds
timeout = 60  # without a sign of life from a worker's main loop, which no request can hold up
max_requests = 0  # nothing leaks that a restart would have to hide
limit_request_line = 8190  # as long as nginx lets one be
forwarded_allow_ips = ""  # what proxies say is read by the application, from TRUSTED_PROXIES alone
logger_class = prefork.JsonLogger
loglevel = "warning"  # below, it tells of every start and stop
control_socket_disable = True  # nobody steers it from outside

gunicorn.http.wsgi.SERVER = _settings.service_name  # what it is made of is nobody's business
