"""Starts the whole sandbox, watches it, and ends it."""

import http.client
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from sandbox.addresses import UPSTREAMS, VENDORS, Addresses
from sandbox.example import first_example
from sandbox.files import write_private
from sandbox.greeting import greeting
from sandbox.population.build import build
from sandbox.population.model import Population
from sandbox.ports import choose_ports
from sandbox.processes import Process, Processes
from sandbox.settings import link_accounts, register_clients, write_settings
from sandbox.state import State, hold
from sandbox.summary import PersonId, describe
from sandbox.vendors import Vendors, vendors_of, write_vendors

READY_WITHIN_S = 90.0
POLL_S = 0.1
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StartFailed(RuntimeError):
    """A process of the sandbox did not come up, or the gateway ended by itself."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the sandbox is started with. `port` is the gateway's; 0 takes any. `has_vendors`: a laboratory, a
    practice and a source of documents beside the usual sources."""

    port: int = 8000
    patients: int = 100
    seed: int = 1
    state: Path = Path(".sandbox")
    wearable_rate_per_minute: int = 100_000
    budget: int = 20_000
    has_vendors: bool = False


@dataclass(slots=True)
class Launch:
    """One start of the sandbox. `gateway` is the module, and its first arguments, that serves a gateway.toml;
    `seal_with` makes the person id function of an identity key."""

    options: Options
    state: State
    processes: Processes
    stop: threading.Event
    gateway: Sequence[str]
    seal_with: Callable[[bytes], PersonId]
    say: Callable[[str], None]
    warned: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Everything from the first process to the last; returns when told to stop. Raises StartFailed."""
        addresses = self._prepare()
        self._start_sources(addresses)
        building = _Building(self.options.patients, self.options.seed)
        population = building.wait(self.stop)
        if population is None:
            return
        vendors = vendors_of(population, self.options.seed) if self.options.has_vendors else None
        if vendors is not None:
            write_vendors(self.state, vendors)
        link_accounts(self.state, population.wearable, vendors)
        write_settings(self.state, addresses, population, self.options.budget)
        module, *arguments = self.gateway
        self._start("gateway", module, [*arguments, "--config", str(self.state.settings)])
        if self._is_ready(addresses):
            self._announce(addresses, population, vendors)
            self._watch()

    def _prepare(self) -> Addresses:
        self.state.ensure_secrets()
        free = ("issuer", *UPSTREAMS, *(VENDORS if self.options.has_vendors else ()))
        ports = choose_ports({"gateway": self.options.port}, free, self.state.recorded_ports())
        addresses = Addresses(ports)
        write_private(self.state.ports, msgspec.json.encode(ports))
        register_clients(self.state, addresses)
        return addresses

    def _start_sources(self, addresses: Addresses) -> None:
        options = self.options
        for name in ("issuer", *addresses.sources):
            arguments = ["--port", str(addresses.ports[name]), "--state", str(self.state.folder)]
            arguments += ["--patients", str(options.patients), "--seed", str(options.seed)]
            if name == "wearable":
                arguments += ["--rate-per-minute", str(options.wearable_rate_per_minute)]
            self._start(name, f"sandbox.{name}", arguments)

    def _start(self, name: str, module: str, arguments: list[str]) -> None:
        self.processes.start(name, module, arguments, self.state.log(name))

    def _is_ready(self, addresses: Addresses) -> bool:
        """Waits until every process answers; False when told to stop before. Raises StartFailed."""
        awaited = dict(addresses.readiness)
        deadline = time.monotonic() + READY_WITHIN_S
        while awaited and not self.stop.wait(POLL_S):
            for name in list(awaited):
                if self.processes.running[name].has_ended:
                    raise StartFailed(_ended(self.processes.running[name]))
                if _answers(awaited[name]):
                    del awaited[name]
            if awaited and time.monotonic() > deadline:
                raise StartFailed(f"Not ready after {READY_WITHIN_S:.0f} s: {', '.join(awaited)}.")
        return not awaited

    def _announce(self, addresses: Addresses, population: Population, vendors: Vendors | None) -> None:
        pids = {name: process.popen.pid for name, process in self.processes.running.items()}
        seal = self.seal_with(self.state.identity_key)
        accounts = vendors.accounts if vendors else ()
        summary = describe(self.state, addresses, population, seal, pids, accounts)
        write_private(self.state.summary, msgspec.json.encode(summary))
        example = first_example(population)
        patient_id = summary["patients"][population.people.index(example.person)]["id"]
        self.say(greeting(summary, patient_id, example.rows, str(self.state.summary)))

    def _watch(self) -> None:
        """A source that dies is a case to try, and only told; without the gateway there is no sandbox."""
        while not self.stop.wait(POLL_S):
            for name, process in self.processes.running.items():
                if process.has_ended and name not in self.warned:
                    self.warned.add(name)
                    if name == "gateway":
                        raise StartFailed(_ended(process))
                    self.say(f"{name} has ended; the gateway goes on without it.")


class _Building:
    """The population, built in a thread, so that a signal is answered at once meanwhile."""

    def __init__(self, patients: int, seed: int) -> None:
        self._built: list[Population] = []
        self._problems: list[BaseException] = []
        self._thread = threading.Thread(target=self._build, args=(patients, seed), daemon=True)
        self._thread.start()

    def wait(self, stop: threading.Event) -> Population | None:
        """The population, or None when told to stop before it is there."""
        while self._thread.is_alive() and not stop.wait(POLL_S):
            pass
        if self._problems:
            raise self._problems[0]
        return self._built[0] if self._built else None

    def _build(self, patients: int, seed: int) -> None:
        try:
            self._built.append(build(patients, seed))
        except BaseException as problem:  # noqa: BLE001 - raised again where it is waited for
            self._problems.append(problem)


def launch(
    options: Options,
    gateway: Sequence[str],
    seal_with: Callable[[bytes], PersonId],
    say: Callable[[str], None],
) -> None:
    """Runs a sandbox until SIGTERM, SIGINT or SIGHUP. Raises StateInUse, PortTaken, StartFailed."""
    with _stopping() as stop, hold(options.state) as state, Processes() as processes:
        Launch(options, state, processes, stop, gateway, seal_with, say).run()


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that the signals set, instead of ending this process in the middle of its work.

    A hang-up that the caller has ignored (nohup) stays ignored.
    """
    stop = threading.Event()
    heard = [one for one in ENDINGS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answers(url: str) -> bool:
    """Whether a GET is answered 200. Not by urllib, which would ask the environment's proxy."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2.0)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ended(process: Process) -> str:
    return (
        f"{process.name} ended with code {process.popen.returncode}.\n{process.last_words()}\n({process.log})"
    )
