"""`clinical-gateway schema`: the GraphQL schema as SDL, printed or compared with the committed file."""

import argparse
import difflib
import sys
from pathlib import Path

from schema import build
from schema.build import build_schema, resource_types
from schema.fhir_model import ResourceTypeUnknown

COMMITTED = Path(build.__file__).with_name("schema.graphql")
LINES_SHOWN = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--check", action="store_true", help="compare with the committed schema instead")
    parser.add_argument(
        "--resources", default="default", help='"default", "all", or resource types with commas between'
    )


def run(args: argparse.Namespace) -> int:
    """Prints the schema; with --check 1 where the committed one differs."""
    named = args.resources if args.resources in ("default", "all") else args.resources.split(",")
    try:
        sdl = build_schema(resource_types(named)).sdl
    except ResourceTypeUnknown as problem:
        print(f"clinical-gateway schema: {problem}", file=sys.stderr)
        return 2
    if args.check:
        return _check(sdl)
    sys.stdout.write(sdl)
    return 0


def _check(sdl: str) -> int:
    committed = COMMITTED.read_text("utf-8") if COMMITTED.is_file() else ""
    if committed == sdl:
        return 0
    difference = difflib.unified_diff(
        committed.splitlines(), sdl.splitlines(), COMMITTED.name, "built", lineterm="", n=1
    )
    for _, line in zip(range(LINES_SHOWN), difference, strict=False):
        print(line, file=sys.stderr)
    print("The committed schema is not the built one: run `make schema` and review.", file=sys.stderr)
    return 1
