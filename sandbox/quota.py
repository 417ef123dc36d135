"""The vendor's limit: so many requests a minute for the whole application, whoever the users are."""

import math
import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0


class Quota:
    """Counts the requests of the last minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._taken: deque[float] = deque()

    def take(self) -> int:
        """Takes one request: 0, or the seconds to wait until there is room again (nothing is then taken)."""
        now = self._clock()
        while self._taken and self._taken[0] <= now - WINDOW_S:
            self._taken.popleft()
        if len(self._taken) >= self._per_minute:
            return math.ceil(self._taken[0] + WINDOW_S - now) if self._taken else math.ceil(WINDOW_S)
        self._taken.append(now)
        return 0
