"""`python -m sandbox.practice`: the practice management API of a population, as a process."""

import argparse
from pathlib import Path

from sandbox.control import Control
from sandbox.population.build import build
from sandbox.population.practice import practice_book
from sandbox.practice.app import REQUESTS_PER_MINUTE, build_practice
from sandbox.quota import Quota
from sandbox.serving import serve


def main() -> None:
    """Builds what it holds from the seed and serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.practice", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="taken as by every sandbox server; not used here")
    parser.add_argument("--rate-per-minute", type=int, default=REQUESTS_PER_MINUTE)
    args = parser.parse_args()
    book = practice_book(build(args.patients, args.seed), args.seed)
    serve(Control(build_practice(book, Quota(args.rate_per_minute))), args.port)


if __name__ == "__main__":
    main()
