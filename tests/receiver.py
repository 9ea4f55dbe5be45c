"""A process that takes what others send: traces as OTLP over HTTP, failures as Sentry's envelopes.

``python -m tests.receiver FILE`` prints its port and appends each thing that it took to FILE, as a line of JSON.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.live import ROOT

_VALUES = ("string_value", "int_value", "double_value", "bool_value")


@dataclass
class Receiver:
    """The running process, and what it took."""

    port: int
    process: "subprocess.Popen[str]"
    file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/7"

    @property
    def text(self) -> bytes:
        """Return everything, as it came but unpacked."""
        return self.file.read_bytes() if self.file.exists() else b""

    @property
    def taken(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def spans(self) -> list[dict[str, Any]]:
        return [one for one in self.taken if one["is"] == "span"]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one["event"] for one in self.taken if one["is"] == "event"]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["name"] == name]

    def freeze(self) -> None:
        """Let it take connections and answer none."""
        self.process.send_signal(signal.SIGSTOP)


@contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    """Run a receiver."""
    file = folder / "received.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.receiver", str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        try:
            yield Receiver(int(process.stdout.readline()), process, file)
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    file: Path
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        found = list(_spans(body) if self.path == "/v1/traces" else _events(body))
        headers = {name: value for name, value in self.headers.items() if name not in {"Host", "Content-Length"}}
        with self.file.open("a") as written:
            written.writelines(json.dumps({**one, "headers": headers, "path": self.path}) + "\n" for one in found)
        self.send_response(200)
        self.send_header("Content-Type", self.headers["Content-Type"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _spans(body: bytes) -> Iterator[dict[str, Any]]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "is": "span",
                    "name": span.name,
                    "kind": span.kind,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "attributes": _attributes(span.attributes),
                    "resource": _attributes(resource.resource.attributes),
                    "status": span.status.code,
                    "raw": str(span) + str(resource.resource) + str(scope.scope),
                }


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in _VALUES else [_value(one) for one in value.array_value.values]


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    """Read an envelope: a header, then items of a header and as much payload as that says."""
    head, _, rest = body.partition(b"\n")
    while rest.strip():
        item, _, rest = rest.partition(b"\n")
        length = json.loads(item).get("length")
        payload, rest = (rest[:length], rest[length + 1 :]) if length is not None else rest.split(b"\n", 1)
        yield {"is": json.loads(item)["type"], "event": json.loads(payload), "envelope": json.loads(head)}


def main() -> None:
    _Handler.file = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    os.write(1, f"{server.server_port}\n".encode())
    server.serve_forever()


if __name__ == "__main__":
    main()
