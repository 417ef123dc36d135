"""Days of activity and nights of sleep as Observations."""

import re
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from resolvers.resource import Json
from resolvers.upstreams.wearable_api import Rows
from resolvers.upstreams.wearable_mapping import UNREADABLE, User, moment, zone_of
from resolvers.upstreams.wearable_measures import is_whole, measures, scaled

_SLEEP_PHASES: Final = ("lightsleepduration", "deepsleepduration", "remsleepduration")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def map_days(user: User, found: Rows) -> None:
    """The steps of each day. A day without them was not measured."""
    steps = measures()["steps"]
    for row in found.rows:
        day = row.get("date") if isinstance(row, dict) else None
        if not isinstance(day, str) or _DAY.fullmatch(day) is None:
            user.into.dropped[UNREADABLE] += 1
        elif "steps" in row and (quantity := user.quantity(steps, scaled(row["steps"], 0))) is not None:
            resource = user.observation(f"{day}-steps", [f"{day}:steps"], row, "activity", steps.concept)
            user.add(resource | {"effectiveDateTime": day, "valueQuantity": quantity}, row)


def map_nights(user: User, found: Rows) -> None:
    """How long each sleep was, and how long in each phase."""
    sleep = measures()["sleep"]
    for row in found.rows:
        data = row.get("data") if isinstance(row, dict) else None
        zone = zone_of(row.get("timezone"), user.zone) if isinstance(row, dict) else user.zone
        period = _period(row, zone) if isinstance(data, dict) else None
        if not isinstance(data, dict) or period is None or not is_whole(row.get("id")):
            user.into.dropped[UNREADABLE] += 1
        elif (quantity := user.quantity(sleep, _slept(data))) is not None:
            night = row["id"]
            resource = user.observation(f"{night}-sleep", [f"{night}:sleep"], row, "activity", sleep.concept)
            phases = user.components((measures()[name], scaled(data.get(name), 0)) for name in _SLEEP_PHASES)
            user.add(resource | {"effectivePeriod": period, "valueQuantity": quantity} | phases, row)


def _period(row: Json, zone: ZoneInfo) -> Json | None:
    start, end = moment(row.get("startdate"), zone), moment(row.get("enddate"), zone)
    return {"start": start, "end": end} if start and end else None


def _slept(data: Json) -> Decimal | None:
    """The total where it is given, else the phases together."""
    if (total := scaled(data.get("total_sleep_time"), 0)) is not None:
        return total
    phases = [value for name in _SLEEP_PHASES if (value := scaled(data.get(name), 0)) is not None]
    return sum(phases, Decimal()) if phases else None
