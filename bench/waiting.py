"""What a caller waits: the gateway's own share of a lone request, and small requests beside a huge one."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence

from bench import agreement
from bench.cases import Question, case, question
from bench.generator import Job
from bench.rounds import Figures, median
from bench.scene import Scene

SECONDS = 2.0
SETTLED_S = 1.0
BESIDE_S = 5.0


def added(scene: Scene, rounds: int) -> Figures:
    """Case b at concurrency 1: the gateway's median less that of the source's answers."""
    asked = case("b", scene.key)
    port = scene.upstream_ports[0]
    while agreement.asked_of(port):  # what came before may not be over yet
        time.sleep(SETTLED_S)
    agreement.ask(scene.gateway.port, "/graphql", asked.body, scene.driver.token)
    questions = agreement.asked_of(port)
    scene.stop_logging()
    whole = [scene.driver.measure(scene.gateway, asked, SECONDS, 1).load.p50_ms for _ in range(rounds)]
    source = [_source_ms(scene, port, questions) for _ in range(rounds)]
    pairs = zip(whole, source, strict=True)
    return {
        "gateway_p50_ms": median(whole, 3),
        "source_p50_ms": median(source, 3),
        "added_p50_ms": median((one - other for one, other in pairs), 3),
    }


def _source_ms(scene: Scene, port: int, questions: Sequence[str]) -> float:
    """The sum of the medians of GETs, each asked alone."""
    total = 0.0
    for one in questions:
        method, path, _ = one.split(" ", 2)
        head = f"{method} /fhir/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        job = Job(port, [base64.b64encode(head.encode()).decode()], 1, SECONDS / 4)
        total += scene.driver.drive(job).p50_ms
    return total


def beside_large(scene: Scene) -> Figures:
    """Requests for `{ __typename }`, one at a time, while another client asks for answers of 5 MB."""
    large, small = question("large", scene.key), case("typename", scene.key)
    size = len(agreement.ask(scene.gateway.port, "/graphql", large.body, scene.driver.token))
    alone = scene.driver.drive(_job(scene, small, SECONDS))
    with scene.driver.beside(_job(scene, large, BESIDE_S)) as larges:
        beside = scene.driver.drive(_job(scene, small, BESIDE_S))
    return {
        "large_bytes": float(size),
        "large_answers": float(larges[0].requests),
        "alone_p99_ms": round(alone.p99_ms, 2),
        "small_answers": float(beside.requests),
        "small_p50_ms": round(beside.p50_ms, 2),
        "small_p99_ms": round(beside.p99_ms, 2),
        "small_max_ms": round(beside.max_ms, 1),
    }


def _job(scene: Scene, asked: Question, seconds: float) -> Job:
    return Job(scene.gateway.port, [scene.driver.request(scene.gateway, asked)], 1, seconds)
