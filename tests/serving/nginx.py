"""The nginx of ``deploy/nginx`` for real: its own file, with addresses and a certificate of the test's own."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live import ROOT, free_port, wait_until

SHIPPED = ROOT / "deploy" / "nginx" / "carboy.conf"
NAME = "accounts.example.org"

needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx (package nginx-light) is missing")
needs_openssl = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl, which makes the certificate, is missing"
)

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/css css; application/javascript js; image/svg+xml svg; }}
    include {folder}/carboy.conf;
}}
"""


@dataclass(frozen=True)
class Nginx:
    port: int
    plain: int
    folder: Path

    @property
    def errors(self) -> str:
        return (self.folder / "error.log").read_text()


def trusting() -> ssl.SSLContext:
    """Take the test's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def render(folder: Path, instances: Sequence[int], *, tls: int, plain: int, **changed: str) -> list[str]:
    """Write the shipped file with what an operator changes; return the command that runs it."""
    first, second = instances
    certificate = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
    keys = ["-keyout", str(folder / "carboy.key"), "-out", str(folder / "carboy.crt")]
    subprocess.run(["openssl", "req", *certificate, *keys], check=True, capture_output=True)
    text = SHIPPED.read_text()
    for before, after in {
        "10.0.0.11:8000": f"127.0.0.1:{first}",
        "10.0.0.12:8000": f"127.0.0.1:{second}",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl;",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "/etc/nginx/tls": str(folder),
        "/srv/carboy": str(ROOT),
        **changed,
    }.items():
        assert before in text, before
        text = text.replace(before, after)
    (folder / "carboy.conf").write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]


@contextmanager
def nginx(folder: Path, instances: Sequence[int], **changed: str) -> Iterator[Nginx]:
    """Run it before two instances, be they there or not."""
    folder.chmod(0o755)
    tls, plain = free_port(), free_port()
    command = render(folder, instances, tls=tls, plain=plain, **changed)
    process = subprocess.Popen([*command, "-g", "user root;"] if _is_root() else command)
    try:
        wait_until(lambda: (folder / "nginx.pid").exists() and bool((folder / "nginx.pid").read_text()))
        yield Nginx(tls, plain, folder)
    finally:
        process.terminate()
        process.wait(10)


def _is_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0
