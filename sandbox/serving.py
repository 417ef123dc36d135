"""Running one sandbox server: loopback only, quiet, and quick to end."""

import logging

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"
SECONDS_TO_END = 1


def serve(app: ASGIApp, port: int) -> None:
    """Serves the application on `port` of the loopback until SIGTERM or SIGINT; open answers get 1 s more."""
    logging.basicConfig(level=logging.WARNING)
    uvicorn.run(
        app,
        host=HOST,
        port=port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
