"""`clinical-gateway token`: a token signed with the key of a sandbox's state folder (docs/sandbox.md)."""

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from sandbox.issuer.keys import read_key
from sandbox.issuer.tokens import Grant, mint

REFUSED_EXIT = 1


class SandboxAbsent(RuntimeError):
    """The state folder is not one of a sandbox."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--scope", required=True, help="SMART scopes, separated by spaces: 'user/*.rs'")
    parser.add_argument("--patient", metavar="ID", help="the launch patient: any id of a person")
    parser.add_argument("--client", metavar="ID", default="sandbox-app", help="the client the token is for")
    parser.add_argument("--user", metavar="REF", help="the user, as fhirUser: Practitioner/1")
    parser.add_argument("--ttl-s", type=int, default=3600, help="valid for so many seconds from now")
    parser.add_argument(
        "--claim",
        metavar="K=V",
        action="append",
        type=_claim,
        default=[],
        help="another claim, or another value of one; V is JSON where it reads as JSON, else text",
    )
    parser.add_argument("--state", type=Path, default=Path(".sandbox"), help="the sandbox's state folder")


def run(args: argparse.Namespace) -> int:
    """Prints the token, alone on the last line of standard output; 1 outside a sandbox."""
    grant = Grant(
        scope=args.scope,
        client=args.client,
        patient=args.patient,
        user=args.user,
        ttl_s=args.ttl_s,
        claims=dict(args.claim),
    )
    try:
        print(_mint(args.state, grant))
    except SandboxAbsent as problem:
        print(f"clinical-gateway token: {problem}", file=sys.stderr)
        return REFUSED_EXIT
    return 0


def _mint(state: Path, grant: Grant) -> str:
    try:
        key = read_key(state / "issuer-key.json")
        issuer = tomllib.loads((state / "gateway.toml").read_text("utf-8"))["issuers"][0]
    except (OSError, ValueError, LookupError) as problem:
        raise SandboxAbsent(
            f"{state} is not the state folder of a sandbox: {_reason(problem)}. Tokens are made for sandboxes"
            " only; start one with `clinical-gateway sandbox`, or name its folder with --state."
        ) from problem
    return mint(key, issuer["issuer"], issuer["audience"], grant)


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return f"{Path(problem.filename).name} is not there to read"
    return "its files are not what a sandbox writes"


def _claim(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not K=V")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
