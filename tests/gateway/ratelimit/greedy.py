"""A gateway process with greedy clients: each asks again at once, whatever it is told.

`python -m tests.gateway.ratelimit.greedy URL single|cluster CLIENTS SECONDS BUDGETS` says `ready` and waits
for a line. In the end it prints what was charged to each budget, and when it began
and ended, in seconds of `time.monotonic()`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter

from gateway.ratelimit.fallback import FallbackLimiter
from gateway.ratelimit.limiter import Reservation
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.scripts import open_client
from tests.gateway.ratelimit.tiering import tier

CAPACITY = 4_000
RESTORE_PER_S = 500
COST_MAX = 20
TIER = tier(capacity=CAPACITY, restore_per_s=RESTORE_PER_S, max_query_cost=COST_MAX, max_concurrent=64)
WORK_S = 0.002


async def main(url: str, is_cluster: bool, clients: int, seconds: float, budgets: int) -> None:
    shared = RedisLimiter(open_client(url, is_cluster=is_cluster))
    limiter = FallbackLimiter(shared, None)
    charged: Counter[str] = Counter()
    refused = 0
    await shared.look("budget 0", TIER)  # connects
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    began = time.monotonic()
    ends = began + seconds

    async def client(number: int) -> None:
        nonlocal refused
        key = f"budget {number % budgets}"
        drawn = random.Random()
        while time.monotonic() < ends:
            cost = drawn.randint(1, COST_MAX)
            outcome = await limiter.reserve(key, TIER, cost)
            if not isinstance(outcome, Reservation):
                refused += 1
                await asyncio.sleep(drawn.uniform(0.01, 0.04))
                continue
            await asyncio.sleep(WORK_S)
            actual = drawn.randint(0, cost)
            limiter.settle(outcome, actual)
            charged[key] += actual

    await asyncio.gather(*map(client, range(clients)))
    last = time.monotonic()
    await limiter.close()
    told = {"charged": charged, "refused": refused, "began": began, "last": last}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    url, topology, *numbers = sys.argv[1:]
    asyncio.run(main(url, topology == "cluster", int(numbers[0]), float(numbers[1]), int(numbers[2])))
