"""Seeded draws. One stream per person and purpose, so that a change in one leaves the others as they were."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

T = TypeVar("T")


class Stream:
    """A seeded source of draws; the same words give the same draws in every process and version of Python."""

    def __init__(self, *words: object) -> None:
        self._random = random.Random(":".join(map(str, words)))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random.random() < probability

    def number(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self._random.random() * len(options))]

    def pick_weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """One of the options, in proportion to the weights."""
        mark = self._random.random() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            mark -= weight
            if mark < 0:
                return option
        return options[-1]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options (all, if there are fewer), in their given order."""
        marks = sorted((self._random.random(), place) for place in range(len(options)))
        return [options[place] for place in sorted(place for _, place in marks[:count])]

    def day(self, low: date, high: date) -> date:
        """A day, both ends included."""
        return low + timedelta(days=self.number(0, max(0, (high - low).days)))

    def time_on(self, day: date, first_hour: int = 8, last_hour: int = 17) -> datetime:
        """A moment of that day, UTC, within working hours unless told otherwise, to the minute."""
        minute = self.number(first_hour * 60, last_hour * 60 + 59)
        return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=UTC)

    def normal(self, mean: float, spread: float) -> float:
        """A bell-shaped draw, built of uniform ones so that it is the same on every platform."""
        return mean + spread * (sum(self._random.random() for _ in range(6)) - 3.0) * 1.4142

    def decimal(self, mean: float, spread: float, places: int) -> Decimal:
        """A non-negative bell-shaped draw with exactly so many decimal places: `5.10` keeps its zero."""
        return Decimal(f"{max(0.0, self.normal(mean, spread)):.{places}f}")

    def uuid(self) -> str:
        """A random-looking UUID (version 4 layout) from this stream."""
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
