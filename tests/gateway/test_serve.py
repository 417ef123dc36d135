"""`serve` as a process: it starts, ends when told, and lets go of a source when its client leaves."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.gateway.issuing import AUDIENCE, AuthorizationServer
from tests.gateway.settings_files import write_secrets
from tests.running import eventually

PATIENCE_S = 30.0

TOML = """
[server]
request_deadline_s = 300.0
[schema]
resources = ["Patient"]
[secrets]
directory = "secrets"
[audit]
sink = "file"
path = "audit.jsonl"
[[issuers]]
issuer = "{issuer}"
audience = "{audience}"
jwks_uri = "{issuer}/jwks"
[[upstreams]]
name = "ehr"
kind = "fhir"
base_url = "{ehr}/fhir"
timeout_s = 300.0
[upstreams.capabilities]
is_discovered = false
types = ["Patient"]
"""


class SilentSource:
    """Takes requests and never answers; tells when a connection with a request was closed by its caller."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked, self.left = threading.Event(), threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                self.asked.set()
            self.left.set()

    def close(self) -> None:
        self._listening.close()


@contextmanager
def published(issuer: AuthorizationServer) -> Iterator[str]:
    """The issuer's keys on a real port."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.jwks()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Serving:
    """A gateway process over a silent source."""

    def __init__(self, folder: Path, issuer_url: str, workers: int) -> None:
        self.source = SilentSource()
        self.audit = folder / "audit.jsonl"
        self.issuer = AuthorizationServer()
        self.issuer_url = issuer_url
        write_secrets(folder)
        file = folder / "gateway.toml"
        file.write_text(TOML.format(issuer=issuer_url, audience=AUDIENCE, ehr=self.source.url))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "gateway.cli.main", "serve", "--config", str(file)]
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--workers", str(workers)],
            stderr=self.log,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        for _ in range(int(PATIENCE_S / 0.1)):
            assert self.process.poll() is None
            try:
                httpx.get(f"{self.url}/healthz", timeout=5)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the gateway does not answer")

    def outcomes(self) -> list[str]:
        """What the disclosure record says became of the requests so far."""
        return [json.loads(line)["outcome"] for line in self.audit.read_text().splitlines()]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.source.close()


@contextmanager
def serving(folder: Path, workers: int = 1) -> Iterator[Serving]:
    issuer = AuthorizationServer()
    with published(issuer) as url:
        made = Serving(folder, url, workers)
        made.issuer = issuer
        try:
            made.wait_until_ready()
            yield made
        finally:
            made.close()


def hanging_request(gateway: Serving) -> socket.socket:
    """A connection on which a request waits for the silent source."""
    body = b'{"query": "{ patients { nodes { id } } }"}'
    token = gateway.issuer.token(iss=gateway.issuer_url)
    connection = socket.create_connection(("127.0.0.1", gateway.port))
    head = (
        "POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    assert gateway.source.asked.wait(PATIENCE_S)
    return connection


def test_client_that_leaves_frees_its_source(tmp_path: Path) -> None:
    with serving(tmp_path) as gateway:
        hanging_request(gateway).close()
        assert gateway.source.left.wait(PATIENCE_S)
        assert gateway.process.poll() is None
        assert eventually(lambda: gateway.outcomes() or None) == ["CANCELLED"]


@pytest.mark.parametrize("told", [signal.SIGTERM])
def test_process_ends_when_told_even_while_a_source_hangs(tmp_path: Path, told: signal.Signals) -> None:
    with serving(tmp_path) as gateway, hanging_request(gateway):
        gateway.process.send_signal(told)
        gateway.process.wait(PATIENCE_S)
        assert gateway.source.left.wait(PATIENCE_S)
        assert gateway.outcomes() == ["CANCELLED"]


def test_workers_share_one_port(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as gateway:
        assert httpx.get(f"{gateway.url}/healthz").text == "ok\n"
        for _ in range(20):
            httpx.post(f"{gateway.url}/graphql", json={"query": "{ sources { source } }"})
        assert gateway.outcomes() == ["UNAUTHENTICATED"] * 20
        gateway.process.terminate()
        gateway.process.wait(PATIENCE_S)
