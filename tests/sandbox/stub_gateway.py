"""Stands for the gateway where only the launcher is tested: is ready at the port of its gateway.toml.

`--stubborn` does not end on SIGTERM; `--broken` ends at once.
"""

import argparse
import signal
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--broken", action="store_true")
    args = parser.parse_args()
    if args.broken:
        sys.exit("This gateway.toml is not to my liking.")
    if args.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = tomllib.loads(args.config.read_text())["server"]
    HTTPServer((server["host"], server["port"]), Ready).serve_forever()


if __name__ == "__main__":
    main()
