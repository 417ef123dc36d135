"""What is running for a measurement: sources, gateway, and beside it the floor and the stock executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import agreement
from bench.deployment import deploy
from bench.load import Driver, Server
from bench.processes import Cores, free_port, running
from resolvers.person import PersonKey


@dataclass(frozen=True)
class Scene:
    """Servers by name (`gateway`, `floor`, `stock`), the driver of load, and the sources behind."""

    servers: dict[str, Server]
    driver: Driver
    key: PersonKey
    upstream_ports: tuple[int, ...]

    @property
    def gateway(self) -> Server:
        return self.servers["gateway"]

    def stop_logging(self) -> None:
        for port in self.upstream_ports:
            agreement.stop_logging(port)


@contextlib.contextmanager
def scene(folder: Path, on: Cores, sources: int = 1, *, is_alone: bool = False) -> Iterator[Scene]:
    """A gateway over so many sources; `is_alone`: without the servers that it is compared to."""
    ports = tuple(free_port() for _ in range(sources))
    made = deploy(folder, ports)
    os.environ["IDENTITY_KEY"] = made.identity_key.hex()
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(ports):
            arguments = ["--port", str(port), "--source", str(number), "--jwks", str(made.jwks)]
            stack.enter_context(running("bench.upstream", arguments, port, on.others))

        servers = {}

        def start(name: str, module: str, *arguments: str, port: int) -> None:
            process = stack.enter_context(running(module, [*arguments, "--port", str(port)], port, on.server))
            servers[name] = Server(name, port, process)

        config = ("--config", str(made.config))
        start("gateway", "gateway.cli.main", "serve", *config, port=made.port)
        if not is_alone:
            start("floor", "bench.floor", "--upstream-port", str(ports[0]), port=free_port())
            start("stock", "bench.stock_app", *config, port=free_port())
        yield Scene(servers, Driver(made.token, on.others), PersonKey(made.identity_key), ports)
