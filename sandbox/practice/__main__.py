"""`python -m sandbox.practice`: the practice management API of a population, as a process."""

from sandbox.command import command
from sandbox.control import Control
from sandbox.population.build import build
from sandbox.population.practice import practice_book
from sandbox.practice.app import REQUESTS_PER_MINUTE, build_practice
from sandbox.quota import Quota
from sandbox.serving import serve


def main() -> None:
    """Builds what it holds from the seed and serves until it is told to stop."""
    args = command("sandbox.practice", __doc__, rate_per_minute=REQUESTS_PER_MINUTE).parse_args()
    book = practice_book(build(args.patients, args.seed), args.seed)
    serve(Control(build_practice(book, Quota(args.rate_per_minute))), args.port)


if __name__ == "__main__":
    main()
