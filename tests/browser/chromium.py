"""Drives a headless Chromium through its debugging pipe, and keeps what the browser complained about.

The language is the Chrome DevTools Protocol: JSON messages, each ended by a NUL byte, on descriptors 3 (to
the browser) and 4 (from it). A pipe needs no port, no driver program and no further package, and it ends the
browser when the tests die.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 20.0

FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # Root in a container has no sandbox, and only our own pages are opened.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--window-size=1280,1000",
    # Other names are never looked up, so nothing leaves the machine even when a test fails.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)

# Popen hands descriptors on under their own numbers only; Chromium insists on 3 and 4.
REWIRE = """
import fcntl, os, sys
incoming, outgoing = (fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 10) for fd in sys.argv[1:3])
os.dup2(incoming, 3)
os.dup2(outgoing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

# Any: a message's shape depends on its method, and the protocol has hundreds of them.
Message = dict[str, Any]


class BrowserFailed(Exception):
    """Chromium ended, refused a command, or did not reach the awaited state in time."""


def executable() -> str | None:
    """Find the first Chromium on PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """Runs one browser with an empty profile, for the length of a `with` block."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._buffer = b""
        self._last_id = 0
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="carboy-chromium-", ignore_cleanup_errors=True)
        browser_reads, self._to_browser = os.pipe()
        self._from_browser, browser_writes = os.pipe()
        command = [self._path, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-IS", "-c", REWIRE, str(browser_reads), str(browser_writes), *command],
            pass_fds=(browser_reads, browser_writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(browser_reads)
        os.close(browser_writes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._to_browser)  # Chromium leaves when its pipe ends.
        try:
            self._process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._from_browser)
        self._profile.cleanup()

    def page(self) -> "Page":
        """Open an empty tab that shares no cookies and no storage with the others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            page.call(f"{domain}.enable")
        return page

    def call(self, method: str, session: str | None = None, **params: object) -> Message:
        """Send one command and return its result; events that arrive meanwhile go to their page."""
        self._last_id += 1
        message: Message = {"id": self._last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while (answer := self._receive(deadline)).get("id") != self._last_id:
            if page := self._pages.get(answer.get("sessionId", "")):
                page.take(answer)
        if "error" in answer:
            raise BrowserFailed(f"{method}: {answer['error']['message']}")
        result: Message = answer["result"]
        return result

    def _receive(self, deadline: float) -> Message:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from_browser], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise BrowserFailed(f"Chromium did not answer within {SECONDS:g} s")
            received = os.read(self._from_browser, 1 << 16)
            if not received:
                raise BrowserFailed("Chromium ended; start it by hand to see why")
            self._buffer += received
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: Message = json.loads(line)
        return message


class Page:
    """Is one tab: what it shows, what it asked for, its console errors and its breaches of the CSP."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.violations: list[str] = []

    def call(self, method: str, **params: object) -> Message:
        return self._browser.call(method, self._session, **params)

    def visit(self, url: str) -> None:
        if failure := self.call("Page.navigate", url=url).get("errorText"):
            raise BrowserFailed(f"{url}: {failure}")
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> object:
        """Return the value of a JavaScript expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if thrown := answer.get("exceptionDetails"):
            raise BrowserFailed(f"{expression}: {_exception(thrown)}")
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 10.0) -> None:
        """Return as soon as a JavaScript condition is true."""
        look = f"""(async () => {{
            const end = performance.now() + {seconds * 1000};
            while (performance.now() < end) {{
                if ({condition}) return true;
                await new Promise(again => setTimeout(again, 20));
            }}
            return false;
        }})()"""
        if not self.evaluate(look):
            noted = f"errors: {self.errors + self.violations}; page: {self.text()[:2000]}"
            raise BrowserFailed(f"not within {seconds:g} s: {condition}; {noted}")

    def click(self, selector: str) -> None:
        self.wait_for(f"document.querySelector({json.dumps(selector)})")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def fill(self, selector: str, text: str) -> None:
        self.wait_for(f"document.querySelector({json.dumps(selector)})")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def text(self) -> str:
        """Return what a reader sees, without markup."""
        return str(self.evaluate("document.body.innerText"))

    def take(self, event: Message) -> None:
        """Note one protocol event, if it is a request, an error or a violation."""
        params: Message = event["params"]
        match event["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(_exception(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "assert"}:
                said = (str(part.get("value", part.get("description"))) for part in params["args"])
                self.errors.append(" ".join(said))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                entry = params["entry"]
                kept = self.violations if entry["source"] == "security" else self.errors
                kept.append(f"{entry['text']} {entry.get('url', '')}".strip())
            case "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue":
                self.violations.append(json.dumps(params["issue"]["details"]))


def _exception(details: Message) -> str:
    return str(details.get("exception", {}).get("description", details["text"]))
