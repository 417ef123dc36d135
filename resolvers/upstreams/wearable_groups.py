"""Measure groups as Observations: one for each measure, two pressures together."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from resolvers.resource import Json
from resolvers.upstreams.wearable_api import Rows
from resolvers.upstreams.wearable_mapping import AMBIGUOUS, UNREADABLE, User, moment, zone_of
from resolvers.upstreams.wearable_measures import is_whole, measures, measures_by_type, scaled

_GOAL: Final = 2
"""Category of what the user aims at, which is no observation."""


def map_groups(user: User, found: Rows, ambiguous: str) -> None:
    """`ambiguous`: what becomes of a measurement that may be another person's (`attrib` 1)."""
    zone = zone_of(found.timezone, user.zone)
    for group in found.rows:
        taken_at = moment(group.get("date"), zone) if isinstance(group, dict) else None
        listed = group.get("measures") if isinstance(group, dict) else None
        if taken_at is None or not isinstance(listed, list) or not is_whole(group.get("grpid")):
            user.into.dropped[UNREADABLE] += 1
        elif group.get("category") == _GOAL:
            continue
        elif group.get("attrib") == AMBIGUOUS and ambiguous == "withhold":
            user.into.dropped["measurements that may be another person's"] += 1
        else:
            _map_group(user, group, taken_at, dict(_values(user, listed)))


def _map_group(user: User, group: Json, taken_at: str, values: dict[str, Decimal]) -> None:
    table = measures()
    panel = {key: value for key, value in values.items() if table[key].panel == "bp"}
    for key, value in values.items():
        measure = table[key]
        if key not in panel and (quantity := user.quantity(measure, value)) is not None:
            resource = _measured(user, group, str(measure.type), [measure.type], measure.concept)
            user.add(resource | {"effectiveDateTime": taken_at, "valueQuantity": quantity}, group)
    if panel:
        types = sorted(table[key].type or 0 for key in panel)
        resource = _measured(user, group, "bp", types, table["bp"].concept)
        components = user.components((table[key], panel[key]) for key in sorted(panel, reverse=True))
        if components:
            user.add(resource | {"effectiveDateTime": taken_at} | components, group)


def _measured(user: User, group: Json, suffix: str, types: Iterable[int | None], concept: Json) -> Json:
    own_id = group["grpid"]
    identifiers = [f"{own_id}:{kind}" for kind in types]
    return user.observation(f"{own_id}-{suffix}", identifiers, group, "vital-signs", concept)


def _values(user: User, listed: Sequence[object]) -> Iterator[tuple[str, Decimal]]:
    """The measures of a group that are mapped, by the table's key."""
    for one in listed:
        kind = one.get("type") if isinstance(one, dict) else None
        measure = measures_by_type().get(kind) if is_whole(kind) else None
        if isinstance(one, dict) and measure is None:
            continue  # a measure that nobody asked for
        value = scaled(one.get("value"), one.get("unit")) if isinstance(one, dict) else None
        if measure is None or value is None:
            user.into.dropped["unreadable values"] += 1
        else:
            yield measure.key, value
