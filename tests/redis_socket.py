"""A Redis of a test's own, behind a socket in a folder: no port is taken, and nothing is left behind."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redis_socket(redis_server: str, folder: Path) -> Iterator[str]:
    """The URL of a Redis that runs as long as the block and keeps nothing."""
    place = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(place), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([redis_server, *options], stdout=subprocess.DEVNULL, cwd=folder)
    try:
        until_it_listens(place, process)
        yield f"unix://{place}"
    finally:
        process.terminate()
        process.wait(10)


def until_it_listens(place: Path, process: subprocess.Popen[bytes]) -> None:
    """The socket is there a moment before anybody listens."""
    while True:
        assert process.poll() is None, "redis-server did not start"
        with socket.socket(socket.AF_UNIX) as attempt:
            if attempt.connect_ex(str(place)) == 0:
                return
        time.sleep(0.01)
