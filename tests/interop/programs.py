"""Programs that the interop tests start: on loopback ports, ended by their own process id."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0
END_WITHIN_S = 10.0


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, its output in `log`, until the end of the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def gateway(settings: Path, port: int, log: Path) -> Iterator[str]:
    """The URL of a gateway that serves a gateway.toml and is ready."""
    options = ["serve", "--config", str(settings), "--port", str(port)]
    with running([sys.executable, "-m", "gateway.cli.main", *options], log) as process:
        origin = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{origin}/readyz"), process, log)
        yield f"{origin}/graphql"


def until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits; fails with the program's last words where it ends or takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_so():
        is_alive = process.poll() is None
        assert is_alive, f"ended with {process.returncode}:\n{log.read_text()[-2000:]}"
        assert time.monotonic() < deadline, f"waited in vain:\n{log.read_text()[-2000:]}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a GET is answered 200."""
    try:
        return httpx.get(url, timeout=5.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def ask_script(node: str, script: Path, question: Any) -> Any:
    """What a Node script prints, as JSON, when it is given the question."""
    done = subprocess.run(
        [node, str(script)], input=json.dumps(question).encode(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)
