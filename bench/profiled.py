"""The gateway under cProfile: where the processor time of a case goes.

`python -m bench.profiled [CASE ...]` prints the functions with the most time of their own. cProfile makes
small functions look dearer than they are, and tells what the garbage collector costs nowhere of its own.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import signal
import sys
import tempfile
from pathlib import Path

from bench.cases import QUICK, case
from bench.deployment import deploy
from bench.generator import Job
from bench.load import Driver, Server
from bench.processes import cores, free_port, running
from gateway.cli.main import main as gateway_main
from resolvers.person import PersonKey

SHOWN = 25
REQUESTS = 400
PLACE = "BENCH_PROFILE"


def profile(name: str, folder: Path) -> pstats.Stats:
    """The profile of a gateway's whole life, its start included."""
    on, upstream_port = cores(), free_port()
    made = deploy(folder, (upstream_port,))
    os.environ[PLACE] = str(folder / f"{name}.prof")
    arguments = ["--port", str(upstream_port), "--jwks", str(made.jwks)]
    served = ["serve", "--config", str(made.config), "--port", str(made.port)]
    with (
        running("bench.upstream", arguments, upstream_port, on.others),
        running("bench.profiled", ["--serve", *served], made.port, on.server) as process,
    ):
        driver, server = Driver(made.token, on.others), Server("gateway", made.port, process)
        question = case(name, PersonKey(made.identity_key))
        driver.check(server, question)
        request = driver.request(server, question)
        driver.drive(Job(made.port, [request], 8, 600.0, REQUESTS))
    return pstats.Stats(os.environ[PLACE])


def serve_profiled(arguments: list[str]) -> int:
    """A gateway that writes its profile when it is told to end."""
    # The server passes the signal on when it is done; without a handler that would end the process here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    profiler = cProfile.Profile()
    try:
        return int(profiler.runcall(gateway_main, arguments))
    finally:
        profiler.dump_stats(os.environ[PLACE])


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        sys.exit(serve_profiled(sys.argv[2:]))
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or QUICK:
            print(f"\n==== {name}")
            profile(name, Path(folder)).sort_stats("tottime").print_stats(SHOWN)


if __name__ == "__main__":
    main()
