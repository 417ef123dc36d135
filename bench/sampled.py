"""Where the processor time of a request goes, by samples: the gateway under load, looked at every 2 ms.

`python -m bench.sampled [CASE ...]` prints, for each case, microseconds per request by package and by file.
Time is of the function that runs, with what it calls in C; what the interpreter frees is counted where the
function ends that held it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from bench.cases import QUICK, case
from bench.deployment import deploy
from bench.load import Driver, Server
from bench.processes import cores, free_port, running
from gateway.cli.main import main as gateway_main
from resolvers.person import PersonKey

EVERY_S = 0.002
SECONDS = 4.0
PACKAGES_SHOWN, FILES_SHOWN = 12, 25
PLACE = "BENCH_SAMPLES"
_HERE = str(Path(__file__).parent.parent) + "/"


class Samples:
    """Counts the files in which the processor is found, from SIGUSR1 on."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self._before = self._used()

    def start(self, *_: Any) -> None:
        self.files.clear()
        self._before = self._used()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def take(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            self.files[_shortened(frame.f_code.co_filename)] += 1

    def write(self, path: str) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(path).write_text(json.dumps({"cpu_s": self._used() - self._before, "files": self.files}))

    def _used(self) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime


def _shortened(file: str) -> str:
    if file.startswith("<"):
        return "generated/" + file.strip("<>").split()[0]
    return file.removeprefix(_HERE).split("site-packages/")[-1].split("/lib/python")[-1]


def serve(arguments: list[str]) -> int:
    """A gateway that writes its samples when it is told to end."""
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.take)
    signal.signal(signal.SIGUSR1, samples.start)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return int(gateway_main(arguments))
    finally:
        samples.write(os.environ[PLACE])


def sample(name: str, folder: Path) -> None:
    """Prints where the time of one case goes."""
    on, upstream_port = cores(), free_port()
    made = deploy(folder, (upstream_port,))
    os.environ[PLACE] = str(folder / f"{name}.json")
    arguments = ["--port", str(upstream_port), "--jwks", str(made.jwks)]
    served = ["--serve", "serve", "--config", str(made.config), "--port", str(made.port)]
    with (
        running("bench.upstream", arguments, upstream_port, on.others),
        running("bench.sampled", served, made.port, on.server) as process,
    ):
        driver, server = Driver(made.token, on.others), Server("gateway", made.port, process)
        question = case(name, PersonKey(made.identity_key))
        driver.measure(server, question, 1.0)
        process.send_signal(signal.SIGUSR1)
        requests = driver.measure(server, question, SECONDS).load.requests
    found = json.loads(Path(os.environ[PLACE]).read_text())
    _tell(name, Counter(found["files"]), 1e6 * found["cpu_s"] / requests)


def _tell(name: str, files: Counter[str], whole_us: float) -> None:
    each_us = whole_us / files.total()
    packages: Counter[str] = Counter()
    for file, count in files.items():
        packages[file.split("/")[0]] += count
    print(f"\n==== {name}: {whole_us:.0f} us of processor time for each request")
    for title, table, shown in (("package", packages, PACKAGES_SHOWN), ("file", files, FILES_SHOWN)):
        print(f"-- by {title}")
        for place, count in table.most_common(shown):
            print(f"{count * each_us:8.0f}  {place}")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        sys.exit(serve(sys.argv[2:]))
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or QUICK:
            sample(name, Path(folder))


if __name__ == "__main__":
    main()
