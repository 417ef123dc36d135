"""`python -m sandbox.laboratory`: the laboratory's API of a population, as a process."""

from sandbox.command import command
from sandbox.control import Control
from sandbox.laboratory.app import REQUESTS_PER_MINUTE, build_laboratory
from sandbox.population.build import build
from sandbox.population.laboratory import laboratory_users
from sandbox.quota import Quota
from sandbox.serving import serve


def main() -> None:
    """Builds what it holds from the seed and serves until it is told to stop."""
    args = command("sandbox.laboratory", __doc__, rate_per_minute=REQUESTS_PER_MINUTE).parse_args()
    users = laboratory_users(build(args.patients, args.seed), args.seed)
    serve(Control(build_laboratory(users, Quota(args.rate_per_minute))), args.port)


if __name__ == "__main__":
    main()
