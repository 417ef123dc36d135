"""`sources`: what is configured, and whether it answers now."""

import asyncio

from resolvers.field import FieldCall
from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.plan import outcome_of


async def source_outcomes(call: FieldCall) -> list[SourceOutcome]:
    """Every configured source, probed."""
    upstreams = list(call.context.upstreams.values())
    problems = await asyncio.gather(*(one.probe(call.context.call) for one in upstreams))
    return [
        SourceOutcome(one.name, SourceStatus.OK) if problem is None else outcome_of(problem)
        for one, problem in zip(upstreams, problems, strict=True)
    ]
