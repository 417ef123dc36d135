"""Programs of the interop tests besides a sandbox: a gateway with settings of its own, Node scripts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.running import HOST, answers, running, until


@contextmanager
def gateway(settings: Path, port: int, log: Path) -> Iterator[str]:
    """The URL of a gateway that serves a gateway.toml and is ready."""
    options = ["serve", "--config", str(settings), "--port", str(port)]
    with running([sys.executable, "-m", "gateway.cli.main", *options], log) as process:
        origin = f"http://{HOST}:{port}"
        until(lambda: answers(f"{origin}/readyz"), process, log)
        yield f"{origin}/graphql"


def ask_script(node: str, script: Path, question: Any) -> Any:
    """What a Node script prints, as JSON, when it is given the question."""
    done = subprocess.run(
        [node, str(script)], input=json.dumps(question).encode(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)
