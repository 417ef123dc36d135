"""Proof, before anything is measured, that the servers do the same: questions to the source, and answers."""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Mapping

from bench.cases import Question

GRAPHQL = "/graphql"

_COST = rb'"cost":\{"requestedQueryCost":\d+,"actualQueryCost":\d+,"throttleStatus":\{[^{}]*\}\}'
_COST_AFTER_SOURCES = re.compile(rb"," + _COST + rb"\}\}\Z")
_ONLY_COST = re.compile(rb',"extensions":\{' + _COST + rb"\}\}\Z")


def ask(port: int, path: str, body: bytes, token: str) -> bytes:
    """The body of the answer to one POST; ends the measurement where it is no success."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return _sent(port, "POST", path, body, headers)


def asked_of(port: int) -> list[str]:
    """What a source was asked since the last time, in any order."""
    return sorted(json.loads(_sent(port, "GET", "/_bench/log?on", b"", {})))


def stop_logging(port: int) -> None:
    """From here on a source only answers."""
    _sent(port, "GET", "/_bench/log?off", b"", {})


def agree(
    questions: Mapping[str, Question], servers: Mapping[str, int], upstream_port: int, token: str
) -> dict[str, int]:
    """Ends the measurement where a server answers other bytes, or asks other questions, than the gateway.

    The size of each answer in bytes.
    """
    sizes = {}
    for name, question in questions.items():
        told = {}
        for server, port in servers.items():
            asked_of(upstream_port)
            body = ask(port, question.path if server == "floor" else GRAPHQL, question.body, token)
            told[server] = (without_cost(body), asked_of(upstream_port))
        body, asked = told["gateway"]
        if b'"errors"' in body:
            sys.exit(f"{name}: the gateway answers {body[:500]!r}")
        for server, (other_body, other_asked) in told.items():
            if other_body != body:
                sys.exit(f"{name}: {server} and gateway answer differently: {_difference(other_body, body)}")
            if other_asked != asked:
                sys.exit(f"{name}: {server} asks {other_asked}, and the gateway {asked}")
        sizes[name] = len(body)
    return sizes


def without_cost(body: bytes) -> bytes:
    """An answer without `extensions.cost`, which the floor does not tell and which holds a budget's level."""
    return _ONLY_COST.sub(b"}", _COST_AFTER_SOURCES.sub(b"}}", body))


def _difference(one: bytes, other: bytes) -> str:
    at = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    near = slice(max(0, at - 60), at + 60)
    return f"{one[near]!r} and {other[near]!r}"


def _sent(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        sys.exit(f"port {port}, {path}: {answer.status} {content[:300]!r}")
    return content
