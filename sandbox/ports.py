"""Ports of the loopback for the sandbox's servers."""

import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from sandbox.serving import HOST


class PortTaken(RuntimeError):
    """The port that was asked for is in use."""


def choose_ports(asked: Mapping[str, int], free: Sequence[str], usual: Mapping[str, int]) -> dict[str, int]:
    """A port for each name: `asked` ones as they are (0: any), `free` ones their usual port where that is
    free, else any. Raises PortTaken where an asked port is in use. All are held until all are chosen, so that
    none is given twice."""
    with ExitStack() as held:
        chosen: dict[str, int] = {}
        for name, port in asked.items():
            chosen[name] = _bind(held, port)
        for name in free:
            try:
                chosen[name] = _bind(held, usual.get(name, 0))
            except PortTaken:
                chosen[name] = _bind(held, 0)
        return chosen


def _bind(held: ExitStack, port: int) -> int:
    taken = held.enter_context(socket.socket())
    # As the servers do: a port whose last connections are closing is free.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except (OSError, OverflowError) as problem:
        raise PortTaken(
            f"Port {port} of {HOST} is in use or may not be used; choose another with --port."
        ) from problem
    return int(taken.getsockname()[1])
