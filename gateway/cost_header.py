"""`GraphQL-Cost`: what a client wants to be told of costs, beyond what every response says."""

from typing import Final

import msgspec

from gateway.http_errors import RequestMalformed

NAME: Final = b"graphql-cost"
_WORDS: Final = frozenset({"validate", "report"})


class CostHeader(msgspec.Struct, frozen=True):
    """`validates`: the cost is told and nothing is executed; `reports`: it is told by path."""

    validates: bool = False
    reports: bool = False


ABSENT: Final = CostHeader()


def cost_header(value: str | None) -> CostHeader:
    """What the header asks for: `validate`, `report` or both. Raises RequestMalformed: whoever means to ask
    for the cost alone must not be charged for a slip of the pen."""
    if value is None:
        return ABSENT
    words = {one.strip().lower() for one in value.split(",")}
    if not words <= _WORDS:
        raise RequestMalformed("`GraphQL-Cost` must be `validate`, `report` or `validate, report`.")
    return CostHeader("validate" in words, "report" in words)
