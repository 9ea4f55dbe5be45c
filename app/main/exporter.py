"""Serves the metrics on a port of their own, from a process beside the workers: it answers while they are busy."""

import multiprocessing
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.core.config import Settings
from app.infra import metrics

_PARENT_SECONDS = 1.0


def start(settings: Settings) -> None:
    """Begin to serve on METRICS_HOST:METRICS_PORT; ends with the process that starts it."""
    if settings.metrics_port:
        context = multiprocessing.get_context("fork")
        context.Process(target=_serve, args=(settings, os.getpid()), daemon=True, name="metrics").start()


class _Exposition(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == "/metrics"
        body = metrics.exposition() if found else b"Metrics are at /metrics.\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", metrics.CONTENT_TYPE if found else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: Prometheus asks every few seconds."""


def _serve(settings: Settings, parent: int) -> None:
    server = ThreadingHTTPServer((settings.metrics_host, settings.metrics_port), _Exposition)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    server.serve_forever()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(0)
