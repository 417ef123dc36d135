"""Writing the state folder's files: whole or not at all, secrets for the owner alone."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replaces `path` in one step by a file that only its owner may read (mode 0600)."""
    _replace(path, content, 0o600)


def write_shared(path: Path, content: bytes) -> None:
    """Replaces `path` in one step by a file that every local user may read."""
    _replace(path, content, 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    draft.replace(path)
