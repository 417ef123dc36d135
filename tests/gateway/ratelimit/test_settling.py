"""A budget in memory is the same whether it is looked at after each step or not: settling does not look."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.ratelimit.limiter import Reservation
from gateway.ratelimit.memory import DAY_MS, MemoryLimiter
from gateway.ratelimit.tiers import Tier
from tests.gateway.ratelimit.tiering import Now, tier

PLAIN = tier(max_concurrent=5)
QUOTA = tier(restore_per_s=1000, max_concurrent=50, daily_quota=400)

RESERVE = st.tuples(st.just("reserve"), st.integers(0, 120))
SETTLE = st.tuples(st.just("settle"), st.integers(0, 240))
WAIT = st.tuples(st.just("wait"), st.integers(0, 50) | st.integers(0, 15_000) | st.just(DAY_MS))


@given(st.sampled_from([PLAIN, QUOTA]), st.lists(RESERVE | SETTLE | WAIT, max_size=40), st.randoms())
async def test_settling_need_not_look(of: Tier, steps: list[tuple[str, int]], random: Random) -> None:
    now = Now(20_000 * DAY_MS - 30_000)
    looked, unlooked = MemoryLimiter(now.ns, now.ns), MemoryLimiter(now.ns, now.ns)
    taken: list[tuple[Reservation, Reservation]] = []
    for what, number in steps:
        if what == "wait":
            now.ms += number
        elif what == "settle" and taken:
            pair = random.choice(taken)
            for one, held in zip((looked, unlooked), pair, strict=True):
                one.settle(held, number)
        elif what == "reserve":
            made = [await one.reserve("k", of, number) for one in (looked, unlooked)]
            assert type(made[0]) is type(made[1])
            if isinstance(made[0], Reservation) and isinstance(made[1], Reservation):
                taken.append((made[0], made[1]))
        await looked.look("k", of)
    ends = [await one.look("k", of) for one in (looked, unlooked)]
    assert ends[0] == ends[1]
