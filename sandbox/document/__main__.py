"""`python -m sandbox.document`: one Bundle for each patient of a population, as a process."""

from sandbox.command import command
from sandbox.control import Control
from sandbox.document.app import build_document, documents
from sandbox.population.build import build
from sandbox.serving import serve


def main() -> None:
    """Builds what it holds from the seed and serves until it is told to stop."""
    args = command("sandbox.document", __doc__).parse_args()
    serve(Control(build_document(documents(build(args.patients, args.seed)))), args.port)


if __name__ == "__main__":
    main()
