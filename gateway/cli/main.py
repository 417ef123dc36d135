"""`clinical-gateway`: finds the command in the table and loads that one alone.

A command is a module beside this one with `add_arguments(parser)` and `run(args) -> int`; its result is the
exit code. `token` starts in a fraction of the time of `serve` because nothing here loads the server.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

COMMANDS = {
    "serve": "serve GraphQL by a gateway.toml",
    "sandbox": "start synthetic sources, an authorization server and the gateway",
    "token": "print a token of a sandbox",
    "schema": "print the GraphQL schema, or check the committed one",
    "config": "check a gateway.toml",
}
PROGRAM = "clinical-gateway"
USAGE_EXIT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command with these arguments (those of the process where None) and gives its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--help"], ["-h"]):
        print(_overview())
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(_overview(), file=sys.stderr)
        if arguments:
            print(f"\n{PROGRAM}: there is no command '{arguments[0]}'.", file=sys.stderr)
        return USAGE_EXIT
    name, *rest = arguments
    command = _load(name)
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=COMMANDS[name])
    command.add_arguments(parser)
    return int(command.run(parser.parse_args(rest)))


def _load(name: str) -> ModuleType:
    """The module of a command, nothing else."""
    module = f"gateway.cli.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name != module:
            raise
        sys.exit(f"{PROGRAM}: the command '{name}' is missing from this installation ({module}).")


def _overview() -> str:
    lines = [f"  {name:<10}{purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [f"usage: {PROGRAM} COMMAND [options]", "", *lines, "", "COMMAND --help tells its options."]
    )


def run_as_process() -> NoReturn:
    """The console script: the exit code is that of the command."""
    sys.exit(main())


if __name__ == "__main__":
    run_as_process()
