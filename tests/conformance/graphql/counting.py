"""Fields that notice when and how often they run: once per response name, together, or one after another."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from resolvers.field import FieldCall
from schema.field import computed_field, fetch_field
from schema.making import make_type, optional
from tests.conformance.graphql.making import add, given

TURNS_WAITED = 100


@dataclass
class Count:
    """What one request has done."""

    turns: int = 0
    arrived: int = 0
    number: int = 6


now: ContextVar[Count] = ContextVar("now")


async def turn(call: FieldCall) -> int:
    """How many calls there have been."""
    now.get().turns += 1
    return now.get().turns


async def meet(call: FieldCall) -> int:
    """Answers when as many have come as are expected; raises if they do not come."""
    now.get().arrived += 1
    for _ in range(TURNS_WAITED):
        if now.get().arrived >= call.arguments["expected"]:
            return now.get().arrived
        await asyncio.sleep(0)
    raise TimeoutError("nobody came")


async def change_the_number(call: FieldCall) -> dict[str, Any]:
    """Takes its turns before it changes the number, so that another could overtake it."""
    before = now.get().number
    for _ in range(call.arguments["ticks"]):
        await asyncio.sleep(0)
    if call.arguments["newNumber"] < 0:
        raise ValueError("the number is never negative")
    now.get().number = call.arguments["newNumber"]
    return {"theNumber": now.get().number, "before": before}


Holder = make_type("NumberHolder")
add(
    Holder,
    computed_field("theNumber", int, lambda one: one["theNumber"], description=""),
    computed_field("before", int, lambda one: one["before"], description=""),
)
Mutation = make_type("Mutation")
CHANGE = (given("newNumber", int), given("ticks", int, 1))
add(
    Mutation,
    fetch_field("changeTheNumber", optional(Holder), change_the_number, description="", arguments=CHANGE),
)
FIELDS = (
    fetch_field("turn", int, turn, description=""),
    fetch_field("meet", int, meet, description="", arguments=(given("expected", int),)),
)
