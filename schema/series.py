"""`Patient.latestObservation` and `Patient.observationStats`."""

from collections.abc import Iterable
from typing import Any, Final

import strawberry
from strawberry.types.field import StrawberryField

from permissions.coordinates import Reads
from resolvers.series import latest_observation, observation_stats
from resolvers.series_tally import BucketSize
from schema.cost import PAGES_ASSUMED, of_searches
from schema.field import argument, computed_field, fetch_field
from schema.making import definition, list_of, make_type, optional
from schema.provenance import CompletenessEnum, SourceOutcomeType
from schema.scalars import DecimalNumber, FHIRDate
from schema.search import DateRange

_CODES = argument("code", list_of(str), "Token, any of them: `system|code` or `code`.")
_SHOWN: Final = (
    *(f"Observation.{one}" for one in ("status", "valueQuantity", "valueInteger", "effectiveDateTime")),
    *(f"Observation.{one}" for one in ("effectivePeriod", "effectiveInstant")),
    *(f"Quantity.{one}" for one in ("value", "unit", "code", "system", "comparator")),
)

BucketEnum = strawberry.enum(
    BucketSize, name="ObservationBucketSize", description="How long a bucket is; a week begins on Monday."
)

ObservationBucket = make_type("ObservationBucket", "The values of one day, week or month.")
ObservationGroup = make_type("ObservationGroup", "The values of one unit: values of others are not mixed in.")
ObservationStats = make_type("ObservationStats", "Numbers over a person's Observations of some codes.")


def _sums() -> Iterable[StrawberryField]:
    yield computed_field("count", int, lambda one: one.count, description="How many values.")
    yield computed_field(
        "min", DecimalNumber, lambda one: one.min, description="The least, digits as recorded."
    )
    yield computed_field(
        "max", DecimalNumber, lambda one: one.max, description="The most, digits as recorded."
    )
    yield computed_field(
        "mean",
        DecimalNumber,
        lambda one: one.mean,
        description="Of the exact sum; two decimal places more than the finest value has.",
    )


def _told(of: Any) -> Iterable[StrawberryField]:
    yield computed_field(
        "completeness",
        CompletenessEnum,
        lambda one: one.completeness,
        description="Whether every source that can hold Observations answered in full.",
    )
    yield computed_field(
        "sources", list_of(SourceOutcomeType), lambda one: one.outcomes, description=f"How {of} came about."
    )


def _count(name: str, of: str, description: str) -> StrawberryField:
    return computed_field(name, int, lambda one: getattr(one.tally, of), description=description)


definition(ObservationBucket).fields.extend(
    (
        computed_field("start", FHIRDate, lambda one: one.start, description="Its first day."),
        *_sums(),
    )
)
definition(ObservationGroup).fields.extend(
    (
        computed_field("unit", optional(str), lambda one: one.unit, description="As recorded first."),
        computed_field("system", optional(str), lambda one: one.system, description="The code's system."),
        computed_field("code", optional(str), lambda one: one.code, description="The unit's code."),
        *_sums(),
        computed_field(
            "unplaced",
            int,
            lambda one: one.unplaced,
            description="Values without a date that is exact enough for a bucket.",
        ),
        computed_field(
            "buckets",
            list_of(ObservationBucket),
            lambda one: one.buckets,
            description="Those that hold a value, oldest first.",
        ),
    )
)
definition(ObservationStats).fields.extend(
    (
        computed_field(
            "groups",
            list_of(ObservationGroup),
            lambda one: one.tally.groups,
            description="One for each unit, the one with most values first.",
        ),
        _count("texts", "texts", "Values that are no number; in no group."),
        _count("bounded", "bounded", "Values with a comparator, such as `<5`; in no group."),
        _count("withoutValue", "without_value", "Observations without a value of their own; in no group."),
        _count(
            "leftOut",
            "left_out",
            "Observations without a result by their status, with a `modifierExtension`, or with a number "
            "that is no measurement; in no group.",
        ),
        *_told("the numbers"),
    )
)


def series_fields(observation: type, sources: int) -> Iterable[StrawberryField]:
    """The fields of Patient. `observation` is the type of Observation, which so many sources can hold."""
    latest = make_type("LatestObservation", "The newest Observation of some codes.")
    definition(latest).fields.extend(
        (
            computed_field(
                "observation",
                optional(observation),
                lambda one: one.latest,
                description="Null where there is none with a date.",
            ),
            *_told("it"),
        )
    )
    yield fetch_field(
        "latestObservation",
        optional(latest),
        latest_observation,
        description="The newest dated Observation with one of the codes, from every source that knows the "
        "person; without those entered in error, cancelled, or registered without a result.",
        arguments=(_CODES,),
        reads=Reads("s", "Observation"),
        costs=of_searches(sources),
    )
    stats = fetch_field(
        "observationStats",
        optional(ObservationStats),
        observation_stats,
        description="Count, least, most and mean of the values with one of the codes, by unit, and by day, "
        "week or month where asked for.",
        arguments=(
            _CODES,
            argument("date", optional(DateRange), "Only Observations of this time."),
            argument("bucket", optional(BucketEnum), "Also by day, week or month."),
            argument("timeZone", optional(str), "In which days begin: `Europe/London`. UTC where not given."),
        ),
        reads=Reads("s", "Observation"),
        costs=of_searches(sources * PAGES_ASSUMED),
    )
    stats.shows = _SHOWN
    yield stats
