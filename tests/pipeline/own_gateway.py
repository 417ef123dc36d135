"""A gateway of a test's own, in this process, asked over real HTTP: the sandbox's settings, some changed.

It accepts the sandbox's tokens and has the sandbox's keys, so that ids and answers can be compared.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.app import build
from gateway.settings_file import settings_of
from tests.pipeline.asking import Gateway
from tests.running import Sandbox, served

Json = dict[str, Any]
Change = Callable[[Json], None]
"""Changes the tables of gateway.toml in place."""


@contextmanager
def own_gateway(sandbox: Sandbox, *changes: Change) -> Iterator[Gateway]:
    """The gateway while the block lasts, asked as a clinician."""
    file = sandbox.state / "gateway.toml"
    written = tomllib.loads(file.read_text("utf-8"))
    for change in changes:
        change(written)
    with served(build(settings_of(written, file))) as origin:
        yield Gateway(f"{origin}/graphql", sandbox.token("clinician"), sandbox.client)


def upstream(written: Json, name: str) -> Json:
    """The table of one source."""
    table: Json = next(one for one in written["upstreams"] if one["name"] == name)
    return table


def types(*names: str) -> Change:
    """Serves these resource types only, which makes for a quick start."""

    def change(written: Json) -> None:
        written["schema"] = {"resources": list(names)}

    return change


def patience(timeout_s: float, deadline_s: float = 10.0) -> Change:
    """How long a source, and the whole request, may take."""

    def change(written: Json) -> None:
        written["server"]["request_deadline_s"] = deadline_s
        for one in written["upstreams"]:
            one["timeout_s"] = timeout_s

    return change
