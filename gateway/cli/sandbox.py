"""`clinical-gateway sandbox`: a whole sandbox from one command (docs/sandbox.md)."""

import argparse
import sys
from pathlib import Path

from resolvers.person import PersonKey
from sandbox.launch import Options, StartFailed, launch
from sandbox.ports import PortTaken
from sandbox.state import StateInUse

BUDGET_MAX = 40_000_000
"""More comes back in a second than a tier may have."""

GATEWAY = ("gateway.cli.main", "serve")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    usual = Options()
    parser.add_argument("--port", type=int, default=usual.port, help="of the gateway; 0 takes any free port")
    parser.add_argument(
        "--patients", type=_positive, default=usual.patients, help="how many people there are"
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="the same seed gives the same people")
    parser.add_argument("--state", type=Path, default=usual.state, help="folder of keys, settings and logs")
    parser.add_argument(
        "--wearable-rate-per-minute",
        type=_positive,
        default=usual.wearable_rate_per_minute,
        help="the vendor's limit for the whole application (its documented one is 120)",
    )
    parser.add_argument(
        "--vendors",
        action="store_true",
        help="a laboratory, a practice and a source of documents beside the usual sources",
    )
    parser.add_argument(
        "--budget",
        type=_budget,
        default=usual.budget,
        help="cost that a client may spend at once; a fortieth of it comes back each second",
    )


def run(args: argparse.Namespace) -> int:
    """Runs until it is told to stop; 0 then, 1 where the sandbox could not start or lost its gateway."""
    limit = args.wearable_rate_per_minute
    options = Options(args.port, args.patients, args.seed, args.state, limit, args.budget, args.vendors)
    try:
        launch(options, GATEWAY, seal_with=lambda key: PersonKey(key).seal, say=_say)
    except (StateInUse, PortTaken, StartFailed, OSError) as problem:
        print(f"clinical-gateway sandbox: {problem}", file=sys.stderr)
        return 1
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _budget(text: str) -> int:
    number = _positive(text)
    if number > BUDGET_MAX:
        raise ValueError
    return number
