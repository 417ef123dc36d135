"""`python -m bench.start`: processor time of a gateway until /readyz answers 200, median of five starts.

The sources need not answer: a gateway is ready when it can serve, and says which sources are up.
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.deployment import deploy
from bench.processes import POLL_S, READY_WITHIN_S, cpu_s, free_port

STARTS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = deploy(Path(folder), (free_port(),)).config
        spent = [until_ready(config) for _ in range(STARTS)]
    print(f"start to ready: {statistics.median(spent):.2f} s processor time, median of {STARTS}")


def until_ready(config: Path) -> float:
    """Seconds of processor time, user and system, of one start."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--config",
        str(config),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + READY_WITHIN_S
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit("the gateway did not get ready")
            time.sleep(POLL_S)
        return cpu_s(psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=15)


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
