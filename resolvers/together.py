"""Awaiting several at once, without the cost of tasks where there is but one."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

Value = TypeVar("Value")


async def together(*ones: Awaitable[Value]) -> Sequence[Value]:
    """What each gives, in order; the first to fail ends the wait."""
    return [await ones[0]] if len(ones) == 1 else await asyncio.gather(*ones)


async def settled(*ones: Awaitable[Value]) -> Sequence[Value | BaseException]:
    """What each gives, or the exception it ended with, in order."""
    if len(ones) != 1:
        return await asyncio.gather(*ones, return_exceptions=True)
    try:
        return [await ones[0]]
    except Exception as problem:  # noqa: BLE001  handed on as what the one gave
        return [problem]
