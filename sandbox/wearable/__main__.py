"""`python -m sandbox.wearable`: the wearable vendor's API of a population, as a process."""

from sandbox.command import command
from sandbox.control import Control
from sandbox.population.build import build
from sandbox.quota import Quota
from sandbox.serving import serve
from sandbox.wearable.app import PAGE_SIZE, REQUESTS_PER_MINUTE, build_wearable


def main() -> None:
    """Builds the accounts of the seed and serves until it is told to stop."""
    parser = command("sandbox.wearable", __doc__, rate_per_minute=REQUESTS_PER_MINUTE)
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE, help="rows on a page")
    args = parser.parse_args()
    accounts = build(args.patients, args.seed).wearable
    serve(Control(build_wearable(accounts, Quota(args.rate_per_minute), args.page_size)), args.port)


if __name__ == "__main__":
    main()
