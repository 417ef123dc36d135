"""The command line that the sandbox's servers share."""

import argparse
from pathlib import Path

PATIENTS, SEED = 100, 1


def command(
    module: str, description: str | None, *, rate_per_minute: int | None = None
) -> argparse.ArgumentParser:
    """`--port`, whose people it serves, and the limit of an API that has one."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--state", type=Path, help="the folder that every sandbox server is given")
    if rate_per_minute is not None:
        parser.add_argument("--rate-per-minute", type=int, default=rate_per_minute)
    return parser
