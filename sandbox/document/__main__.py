"""`python -m sandbox.document`: one Bundle for each patient of a population, as a process."""

import argparse
from pathlib import Path

from sandbox.control import Control
from sandbox.document.app import build_document, documents
from sandbox.population.build import build
from sandbox.serving import serve


def main() -> None:
    """Builds what it holds from the seed and serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.document", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="taken as by every sandbox server; not used here")

    args = parser.parse_args()
    serve(Control(build_document(documents(build(args.patients, args.seed)))), args.port)


if __name__ == "__main__":
    main()
