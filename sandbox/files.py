"""Writing the state folder's files: whole or not at all, for the owner alone."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replaces `path` in one step by a file that only its owner may read (mode 0600)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
