"""A user's rows by stretches of time, newest first: the vendor sorts nothing across its three actions."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from clinical.dates import EARLIEST, Interval
from resolvers.resource import Json
from resolvers.upstreams.upstream import Call
from resolvers.upstreams.wearable_api import ACTIVITY, MEASURES, SLEEP, Rows, WearableApi
from resolvers.upstreams.wearable_days import map_days, map_nights
from resolvers.upstreams.wearable_filters import began
from resolvers.upstreams.wearable_groups import map_groups
from resolvers.upstreams.wearable_mapping import Mapped, User
from resolvers.upstreams.wearable_measures import measures

FIRST_STRETCH: Final = timedelta(days=400)
"""Most people ask for what is new; this far back one look is enough, everything older is the second."""
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
_END: Final = datetime(2100, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_NOTHING: Final = Rows()


@dataclass(frozen=True, slots=True)
class Stretch:
    """The Observations that began in a stretch of time, in no order, and what was seen on the way."""

    within: Interval
    mapped: Mapped
    observations: tuple[Json, ...]
    problems: tuple[str, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class History:
    """The rows of some users, read through one API."""

    api: WearableApi
    zone: ZoneInfo
    ambiguous: str

    async def newest_first(
        self, users: Iterable[str], kinds: Collection[str], within: Interval, call: Call
    ) -> AsyncIterator[Stretch]:
        """Stretches going back in time until nothing older can be. Raises UpstreamError."""
        people = sorted(users)
        low, high = max(within.low, _BEGINNING), min(within.high, _END)
        first_from = max(low, min(high, datetime.now(UTC)) - FIRST_STRETCH)
        if first_from > low:
            yield await self.stretch(people, kinds, Interval(first_from, high), call, is_last=False)
            high = first_from
        yield await self.stretch(people, kinds, Interval(low, high), call, is_last=True)

    async def at_once(
        self, users: Iterable[str], kinds: Collection[str], within: Interval, call: Call
    ) -> AsyncIterator[Stretch]:
        """All of the time as one stretch, for the order that begins with the oldest. Raises UpstreamError."""
        low, high = max(within.low, _BEGINNING), min(within.high, _END)
        yield await self.stretch(users, kinds, Interval(low, high), call)

    async def stretch(
        self, users: Iterable[str], kinds: Collection[str], within: Interval, call: Call, is_last: bool = True
    ) -> Stretch:
        """One stretch. Raises UpstreamError."""
        mapped = Mapped()
        found = await asyncio.gather(*(self._of_user(user, kinds, within, call, mapped) for user in users))
        observations = tuple(
            row for row in mapped.observations.values() if within.low <= began(row) < within.high
        )
        problems = [*mapped.problems(self.api.source), *(text for texts in found for text in texts)]
        return Stretch(within, mapped, observations, tuple(dict.fromkeys(problems)), is_last)

    async def _of_user(
        self, user: str, kinds: Collection[str], within: Interval, call: Call, into: Mapped
    ) -> list[str]:
        asked = [measures()[key] for key in kinds]
        types = sorted({row.type for row in asked if row.type is not None})
        groups, days, nights = await asyncio.gather(
            self._measures(user, types, within, call) if types else _nothing(),
            self._by_day(user, within, call, is_sleep=False) if "steps" in kinds else _nothing(),
            self._by_day(user, within, call, is_sleep=True) if "sleep" in kinds else _nothing(),
        )
        mapped = User(user, self.zone, into)
        map_groups(mapped, groups, self.ambiguous)
        map_days(mapped, days)
        map_nights(mapped, nights)
        return [*groups.problems, *days.problems, *nights.problems]

    async def _measures(self, user: str, types: Iterable[int], within: Interval, call: Call) -> Rows:
        params = {
            "meastypes": ",".join(map(str, types)),
            "category": "1",
            "startdate": str(max(0, int(within.low.timestamp()))),
            "enddate": str(int(within.high.timestamp())),
        }
        return await self.api.rows(user, MEASURES, params, call)

    async def _by_day(self, user: str, within: Interval, call: Call, is_sleep: bool) -> Rows:
        """Days are of the user's time zone, and a night belongs to the day it ends on: so some days more."""
        params = {
            "startdateymd": (within.low - _DAY).date().isoformat(),
            "enddateymd": (within.high + 2 * _DAY).date().isoformat(),
        }
        if is_sleep:
            params["data_fields"] = "lightsleepduration,deepsleepduration,remsleepduration,total_sleep_time"
        else:
            params["data_fields"] = "steps"
        return await self.api.rows(user, SLEEP if is_sleep else ACTIVITY, params, call)


async def _nothing() -> Rows:
    return _NOTHING


def everything() -> Interval:
    """All of time that a wearable can have seen."""
    return Interval(max(EARLIEST, _BEGINNING), _END)
