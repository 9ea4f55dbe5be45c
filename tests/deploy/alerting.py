"""Prometheus and Alertmanager on the shipped files, with time that runs faster, and those whom they tell."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.deploy import rules
from tests.live import free_port, wait_until_there

FASTER = 60
"""A minute of the files is a second here."""

KEY = "a-key-of-the-pager"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?<=\[)(\d+)([smhd])(?=\])|(?<=offset )(\d+)([smhd])\b|^(\d+)([smhd])$")


@dataclass
class Receiver:
    """Who is told: a chat that speaks as Slack does, and a pager that speaks PagerDuty's events of version 2."""

    port: int
    chat: list[dict[str, Any]] = field(default_factory=list)
    pager: list[dict[str, Any]] = field(default_factory=list)

    def was_in_chat(self, status: str, alert: str) -> bool:
        return any(line["attachments"][0]["title"].startswith(f"{status}: {alert} ") for line in self.chat)

    @property
    def is_quiet(self) -> bool:
        """Tell whether everything that anybody was told of is over."""
        last = {
            line["attachments"][0]["title"].partition(": ")[2]: line["attachments"][0]["title"] for line in self.chat
        }
        pages = {page["dedup_key"]: page["event_action"] for page in self.pager}
        return all(title.startswith("resolved") for title in last.values()) and set(pages.values()) <= {"resolve"}

    def forget(self) -> None:
        self.chat.clear()
        self.pager.clear()

    def was_paged(self, action: str, summary: str) -> bool:
        """Tell whether an incident was triggered with this summary and then, if that is asked, resolved."""
        keys = {page["dedup_key"] for page in self.pager if page.get("payload", {}).get("summary") == summary}
        return any(page["event_action"] == action and page["dedup_key"] in keys for page in self.pager)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The real one."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': expression})}", timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def hurry(part: Any) -> Any:
    """Return what is shipped with every duration in it divided, and nothing else changed."""
    if isinstance(part, dict):
        return {name: hurry(child) for name, child in part.items()}
    if isinstance(part, list):
        return [hurry(child) for child in part]
    return _DURATION.sub(_shorter, part) if isinstance(part, str) else part


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver(0)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = {"/chat": _chat, "/v2/enqueue": _page}[self.path](receiver, message)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    receiver.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def watching(folder: Path, *, target: str, receiver: Receiver) -> Iterator[Prometheus]:
    """Run both on what is shipped: only addresses are ours, and time runs faster."""
    prometheus, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    _write_rules(folder)
    config = hurry(rules.load(rules.FOLDER / "prometheus.yml"))
    config["global"]["scrape_interval"] = "1s"  # which is also how long a scrape may take
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    _write_receivers(folder, receiver)
    with (
        _running(
            *("prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/told"),
            *(f"--web.listen-address={alertmanager}", "--cluster.listen-address="),
            ready=f"http://{alertmanager}/-/ready",
            log=folder / "alertmanager.log",
        ),
        _running(
            *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            *(f"--web.listen-address={prometheus}", "--query.lookback-delta=5s", "--rules.alert.resend-delay=1s"),
            ready=f"http://{prometheus}/-/ready",
            log=folder / "prometheus.log",
        ),
    ):
        yield Prometheus(f"http://{prometheus}")


def are_missing() -> bool:
    return not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager"))


def _write_rules(folder: Path) -> None:
    (folder / "rules").mkdir()
    for path in (rules.FOLDER / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(yaml.safe_dump(hurry(rules.load(path)), width=1000))


def _write_receivers(folder: Path, receiver: Receiver) -> None:
    config = hurry(rules.load(rules.FOLDER / "alertmanager.yml"))
    config["global"] = {"pagerduty_url": f"http://127.0.0.1:{receiver.port}/v2/enqueue"}
    text = yaml.safe_dump(config, width=1000).replace("/etc/alertmanager/secrets", str(folder))
    (folder / "alertmanager.yml").write_text(text)
    (folder / "chat_url").write_text(f"http://127.0.0.1:{receiver.port}/chat")
    (folder / "pager_key").write_text(KEY)


@contextmanager
def _running(*command: str, ready: str, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_until_there(ready, process)
        yield
    finally:
        process.kill()
        process.wait()


def _shorter(found: re.Match[str]) -> str:
    number, unit = [group for group in found.groups() if group]
    return f"{int(number) * _SECONDS[unit] * 1000 // FASTER}ms"


def _chat(receiver: Receiver, message: dict[str, Any]) -> int:
    """Take what https://api.slack.com/messaging/webhooks takes: a channel, and attachments with a text."""
    whole = message["channel"].startswith("#") and all(part["text"] for part in message["attachments"])
    receiver.chat.append(message)
    return 200 if whole else 400


def _page(receiver: Receiver, message: dict[str, Any]) -> int:
    """Take what https://developer.pagerduty.com/docs/send-alert-event takes."""
    triggered = message["event_action"] == "trigger"
    whole = bool(message["dedup_key"]) and message["routing_key"] == KEY
    if triggered:
        payload = message["payload"]
        whole = whole and bool(payload["summary"] and payload["source"]) and payload["severity"] == "critical"
    receiver.pager.append(message)
    return 202 if whole else 400
