"""`clinical-gateway config check`: what is wrong with a gateway.toml, said before a start."""

import argparse
import asyncio
import sys
from pathlib import Path

from gateway.secrets import Secrets
from gateway.settings import Settings
from gateway.settings_file import SettingsInvalid, read_settings
from gateway.start_check import ask_outside, start_problems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="say what is wrong with a settings file")
    check.add_argument("file", type=Path)
    check.add_argument("--online", action="store_true", help="also ask every issuer and source")


def run(args: argparse.Namespace) -> int:
    """Says what is wrong; 0 where nothing is."""
    try:
        settings = read_settings(args.file)
    except SettingsInvalid as problem:
        print(problem, file=sys.stderr)
        return 1
    secrets = Secrets(settings.secrets.directory)
    problems = start_problems(settings, secrets)
    for sentence in problems:
        print(f"{args.file.name}: {sentence}", file=sys.stderr)
    if problems:
        return 1
    if args.online and not asyncio.run(_all_answer(settings, secrets)):
        return 1
    print(f"{args.file.name} is fine.")
    return 0


async def _all_answer(settings: Settings, secrets: Secrets) -> bool:
    findings = [one async for one in ask_outside(settings, secrets, settings.server.request_deadline_s)]
    for one in findings:
        print(f"{'ok ' if one.is_good else 'BAD'} {one.name}: {one.told}")
    return all(one.is_good for one in findings)
