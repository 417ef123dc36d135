"""`python -m sandbox.laboratory`: the laboratory's API of a population, as a process."""

import argparse
from pathlib import Path

from sandbox.control import Control
from sandbox.laboratory.app import REQUESTS_PER_MINUTE, build_laboratory
from sandbox.population.build import build
from sandbox.population.laboratory import laboratory_users
from sandbox.quota import Quota
from sandbox.serving import serve


def main() -> None:
    """Builds what it holds from the seed and serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.laboratory", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="taken as by every sandbox server; not used here")
    parser.add_argument("--rate-per-minute", type=int, default=REQUESTS_PER_MINUTE)
    args = parser.parse_args()
    users = laboratory_users(build(args.patients, args.seed), args.seed)
    serve(Control(build_laboratory(users, Quota(args.rate_per_minute))), args.port)


if __name__ == "__main__":
    main()
