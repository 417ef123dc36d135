"""`clinical-gateway serve`: the gateway as an HTTP server."""

import argparse
import logging
import os
import sys
from pathlib import Path

import uvicorn

from gateway.secrets import Secrets
from gateway.settings import Settings
from gateway.settings_file import SettingsInvalid, read_settings
from gateway.start_check import start_problems

APPLICATION = "gateway.app:application"
SETTINGS_VARIABLE = "CLINICAL_GATEWAY_SETTINGS"
SHUTDOWN_S = 3
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--config", type=Path, required=True, help="the gateway.toml to serve by")
    parser.add_argument("--host", help="address to listen on, instead of the one in the file")
    parser.add_argument("--port", type=int, help="port to listen on, instead of the one in the file")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")


def run(args: argparse.Namespace) -> int:
    """Serves until told to stop; 1 where the settings cannot be used or the port cannot be had."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses
    try:
        settings = read_settings(args.config)
    except SettingsInvalid as problem:
        print(f"clinical-gateway serve: {problem}", file=sys.stderr)
        return 1
    problems = start_problems(settings, Secrets(settings.secrets.directory))
    if problems:
        print("\n".join(f"clinical-gateway serve: {problem}" for problem in problems), file=sys.stderr)
        return 1
    if args.workers > 1 and settings.store.kind == "memory":
        print("Each of the workers keeps a cache of its own: [store] is memory.", file=sys.stderr)
    if args.workers > 1 and settings.audit.sink == "stdout":
        print(
            "Long lines of the workers may mix: [audit] is stdout, and file keeps them whole.",
            file=sys.stderr,
        )
    os.environ[SETTINGS_VARIABLE] = str(args.config.resolve())
    return _serve(settings, args)


def _serve(settings: Settings, args: argparse.Namespace) -> int:
    try:
        uvicorn.run(
            APPLICATION,
            factory=True,
            host=args.host or settings.server.host,
            port=settings.server.port if args.port is None else args.port,
            workers=args.workers,
            loop="uvloop",
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
    except SystemExit as ending:  # uvicorn's way to say that the start failed
        return int(ending.code or 0)
    return 0
