"""Redis servers of a test's own, on loopback ports: started, killed, started again, a cluster of them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

STARTS_WITHIN_S = 20.0


def free_port() -> int:
    """One below 55,536: a cluster node also listens 10,000 above its own."""
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
        if port < 55_536:
            return port


class RedisProcess:
    """One redis-server. What it has written is there again after `start`, where it keeps an AOF."""

    def __init__(self, binary: str, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, cwd=self._folder)
        ends = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, "redis-server did not start"
            assert time.monotonic() < ends, "redis-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """At once, as a lost machine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def ask(self, *words: str | int) -> object:
        with Redis(port=self.port, socket_timeout=5) as client:
            return client.execute_command(*words)

    def _answers(self) -> bool:
        try:
            return self.ask("PING") is True
        except (RedisError, OSError):
            return False


def form_cluster(masters: Sequence[RedisProcess], replicas: Sequence[RedisProcess]) -> None:
    """CLUSTER MEET, ADDSLOTS and REPLICATE, until every node finds the cluster well."""
    for one in [*masters[1:], *replicas]:
        one.ask("CLUSTER", "MEET", "127.0.0.1", masters[0].port)
    share = 16_384 // len(masters) + 1
    for position, one in enumerate(masters):
        one.ask("CLUSTER", "ADDSLOTS", *range(position * share, min(16_384, (position + 1) * share)))
    _until_well([*masters, *replicas])
    for master, replica in zip(masters, replicas, strict=True):
        with Redis(port=master.port, decode_responses=True) as client:
            ident = client.execute_command("CLUSTER", "MYID")
        while True:
            try:
                replica.ask("CLUSTER", "REPLICATE", ident)
                break
            except RedisError:  # it has not heard of its master yet
                time.sleep(0.05)
    _until_well([*masters, *replicas])
    for replica in replicas:
        _until(lambda one=replica: "master_link_status:up" in _text(one, "INFO", "replication"))


def _until_well(nodes: Sequence[RedisProcess]) -> None:
    count = f"cluster_known_nodes:{len(nodes)}"
    for node in nodes:
        _until(
            lambda one=node: "cluster_state:ok" in (info := _text(one, "CLUSTER", "INFO")) and count in info
        )


def _text(node: RedisProcess, *words: str) -> str:
    with Redis(port=node.port, socket_timeout=5) as client:
        client.response_callbacks.clear()
        found = client.execute_command(*words)
    return found.decode() if isinstance(found, bytes) else str(found)


def _until(is_so: object) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < ends, "the cluster does not come together"
        time.sleep(0.05)


class Proxy:
    """A door before a Redis: delays what passes, can be led to another server, or shut."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.leads_to = port
        self.delay_s = 0.0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await asyncio.sleep(0.05)

    def drop(self) -> None:
        """Breaks every connection."""
        for one in self._writers:
            one.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.leads_to)
        self._writers |= {writer, inner_writer}
        try:
            await asyncio.gather(self._copy(reader, inner_writer), self._copy(inner_reader, writer))
        except OSError:
            pass
        finally:
            self._writers -= {writer, inner_writer}
            writer.close()
            inner_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
