"""`python -m sandbox.issuer`: the authorization server of a state folder, as a process."""

import argparse
from pathlib import Path

from sandbox.issuer.app import build_issuer
from sandbox.issuer.clients import read_clients
from sandbox.issuer.keys import ensure_keys
from sandbox.issuer.tokens import AUDIENCE
from sandbox.serving import HOST, serve


def main() -> None:
    """Reads the keys and the clients of the state folder and serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.issuer", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, default=Path(".sandbox"), help="the sandbox's state folder")
    parser.add_argument("--audience", default=AUDIENCE, help="the audience of minted tokens")
    parser.add_argument("--patients", type=int, help="taken as by every sandbox server; not used here")
    parser.add_argument("--seed", type=int, help="taken as by every sandbox server; not used here")
    args = parser.parse_args()
    clients_file: Path = args.state / "clients.json"
    clients = read_clients(clients_file) if clients_file.exists() else {}
    directory: Path = args.state / "sandbox.json"
    issuer = f"http://{HOST}:{args.port}"
    serve(build_issuer(issuer, ensure_keys(args.state), clients, directory, args.audience), args.port)


if __name__ == "__main__":
    main()
