"""`python -m sandbox.wearable`: the wearable vendor's API of a population, as a process."""

import argparse
from pathlib import Path

from sandbox.control import Control
from sandbox.population.build import build
from sandbox.quota import Quota
from sandbox.serving import serve
from sandbox.wearable.app import PAGE_SIZE, REQUESTS_PER_MINUTE, build_wearable


def main() -> None:
    """Builds the accounts of the seed and serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.wearable", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="taken as by every sandbox server; not used here")
    parser.add_argument("--rate-per-minute", type=int, default=REQUESTS_PER_MINUTE)
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE, help="rows on a page")
    args = parser.parse_args()
    accounts = build(args.patients, args.seed).wearable
    serve(Control(build_wearable(accounts, Quota(args.rate_per_minute), args.page_size)), args.port)


if __name__ == "__main__":
    main()
