"""What the house tests read: the files of the checkout, and the definitions in them."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("gateway", "schema", "resolvers", "permissions", "clinical", "sandbox")


@functools.cache
def files() -> tuple[str, ...]:
    """Paths of every file that is tracked or would be, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(sorted(name for name in set(listed) if (ROOT / name).is_file()))


def room_files() -> Iterator[str]:
    """The product's Python files."""
    return (name for name in files() if name.endswith(".py") and name.split("/")[0] in ROOMS)


def parse(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), name)


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file, nested ones too."""
    for item in ast.walk(parse(name)):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            yield item


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
