"""`make bench`: what the gateway costs, beside a hand-written endpoint and the stock executor.

Processor milliseconds per request move less than times when the machine is busy, but they do move: compare
the ratios, which are of pairs measured one right after the other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench import growth, waiting
from bench.agreement import agree
from bench.cases import QUICK, TITLES, case
from bench.processes import Cores, cores
from bench.provenance import provenance
from bench.results import keep, tell, tell_curve
from bench.rounds import compare
from bench.scene import Scene, scene

GROWTH_ROUNDS: Final = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help=f"only {', '.join(QUICK)}; about a minute; kept nowhere"
    )
    parser.add_argument("--rounds", type=int, default=9, help="of the cases, of which the medians are taken")
    parser.add_argument(
        "--seconds", type=float, default=1, help="for each server, case and round; whole ones"
    )
    options = parser.parse_args()
    began, on = time.monotonic(), cores()
    found: dict[str, Any] = {"provenance": provenance()}
    with tempfile.TemporaryDirectory() as folder:
        with scene(Path(folder), on) as running:
            names = QUICK if options.quick else tuple(TITLES)
            measure_cases(running, names, options.rounds, options.seconds, found)
            if not options.quick:
                measure_growth(running, GROWTH_ROUNDS, found)
        if not options.quick:
            measure_growth_apart(Path(folder), on, GROWTH_ROUNDS, found)
            print("\nwritten: " + ", ".join(str(path.relative_to(Path.cwd())) for path in keep(found)))
    print(f"\n{time.monotonic() - began:.0f} s")


def measure_cases(
    running: Scene, names: tuple[str, ...], rounds: int, seconds: float, found: dict[str, Any]
) -> None:
    """The cases, once it is proved that all servers do the same."""
    questions = {name: case(name, running.key) for name in names}
    ports = {name: server.port for name, server in running.servers.items()}
    found["answer_bytes"] = agree(questions, ports, running.upstream_ports[0], running.driver.token)
    running.stop_logging()
    found["cases"] = compare(running, questions, rounds, seconds)
    tell(found["cases"])


def measure_growth(running: Scene, rounds: int, found: dict[str, Any]) -> None:
    """The curves and waits that need no gateway of their own."""
    found["growth"] = {
        "rows": growth.rows(running, rounds),
        "fields": growth.fields(running, rounds),
        "concurrency": growth.concurrency(running, rounds),
    }
    found["added_latency"] = waiting.added(running, rounds)
    found["beside_large"] = waiting.beside_large(running)
    print("\n" + "\n".join(f"{name}: {found[name]}" for name in ("added_latency", "beside_large")))


def measure_growth_apart(folder: Path, on: Cores, rounds: int, found: dict[str, Any]) -> None:
    """The curves that need a gateway of their own."""
    found["growth"]["sources"] = growth.sources(folder, on, rounds)
    found["growth"]["documents"] = growth.documents(folder, on)
    for name, curve in found["growth"].items():
        tell_curve(name, curve)


if __name__ == "__main__":
    main()
