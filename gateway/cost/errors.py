"""Why an operation is not run however often it is asked: it would cost more than any operation may."""

from collections.abc import Sequence
from typing import Any, ClassVar

from gateway.cost.estimate import ExpensivePath


class CostExceeded(Exception):
    """`estimated` is more than the `most` that one operation of the caller may cost. `paths`: the lists and
    looked-up resources that cost most, each with the arguments that make it cheaper."""

    code: ClassVar[str] = "COST_ESTIMATED_TOO_EXPENSIVE"

    def __init__(self, estimated: int, most: int, paths: Sequence[ExpensivePath]) -> None:
        super().__init__(_sentence(estimated, most, paths))
        self.estimated = estimated
        self.most = most
        self.paths = paths

    @property
    def told(self) -> dict[str, Any]:
        """`extensions.cost` of the response."""
        return {"requestedQueryCost": self.estimated, "actualQueryCost": None}

    @property
    def extensions(self) -> dict[str, Any]:
        """What the error says besides its code. `size`: the rows that a list is taken to have."""
        return {
            "estimated": self.estimated,
            "max": self.most,
            "mostExpensive": [
                {"path": list(one.path), "cost": one.cost, "size": one.size, "lower": list(one.lower)}
                for one in self.paths
            ],
        }


def _sentence(estimated: int, most: int, paths: Sequence[ExpensivePath]) -> str:
    told = f"The operation may cost {estimated}, and {most} is the most that one may."
    lowered = [one for one in paths if one.lower]
    if not lowered:
        return f"{told} Ask for less of it at once."
    named = ", ".join(f"`{_or(one.lower)}` of {'.'.join(one.path)}" for one in lowered)
    return f"{told} Lower {named}."


def _or(names: Sequence[str]) -> str:
    return "` or `".join(names)
