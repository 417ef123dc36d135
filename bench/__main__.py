"""`make bench`: starts a sandbox, measures, prints a table. Processor time, because machines are shared."""

from __future__ import annotations

import argparse
import json
import platform
import socket
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.running import Client, cpu_s, gateway, sandbox

QUERIES = Path(__file__).parent / "queries"
WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="of each query")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state, sandbox(Path(state), options.patients) as running:
        figures = {"machine": machine(), "start_cpu_s": starts(Path(state), options.starts)}
        figures["queries"] = {
            path.stem: measure(running, path.read_text(), options.requests)
            for path in sorted(QUERIES.iterdir())
        }
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def machine() -> dict[str, str]:
    return {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}


def starts(state: Path, count: int) -> float:
    """Median processor time of a gateway from its start until /readyz answers 200."""
    spent = []
    for _ in range(count):
        with gateway(state / "gateway.toml", free_port()) as process:
            spent.append(cpu_s(process.pid))
    return round(statistics.median(spent), 2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(running: dict[str, Any], query: str, requests: int) -> dict[str, float]:
    """The gateway's processor time for each request, after warming up; the sources' own is not in it."""
    client = Client(running["graphql_url"], running["tokens"]["clinician"])
    everywhere = next(row for row in running["patients"] if len(row["sources"]) == len(running["upstreams"]))
    variables = {"id": everywhere["id"]} if "$id" in query else {}
    for _ in range(WARM_UP):
        answer = client.ask(query, variables)
    problems = json.loads(answer).get("errors")
    if problems:
        raise SystemExit(f"the reference query has errors: {problems[0]}")
    before = cpu_s(running["pids"]["gateway"])
    for _ in range(requests):
        client.ask(query, variables)
    spent = cpu_s(running["pids"]["gateway"]) - before
    return {"cpu_ms": round(1000 * spent / requests, 2), "bytes": len(answer)}


def report(figures: dict[str, Any]) -> None:
    print(f"start to ready: {figures['start_cpu_s']} s processor time (median)\n")
    print(f"{'query':8}{'cpu ms/request':>16}{'answer bytes':>16}")
    for name, row in figures["queries"].items():
        print(f"{name:8}{row['cpu_ms']:>16}{row['bytes']:>16}")


if __name__ == "__main__":
    main()
