"""The root: what a client can ask first."""

from collections.abc import Iterable

from strawberry import ID
from strawberry.types.field import StrawberryField

from permissions.coordinates import Reads
from resolvers.lists import root_list
from resolvers.lookup import by_id, node, nodes
from resolvers.names import field_name, plural
from resolvers.patient_list import patients
from resolvers.patients import me, patient
from resolvers.rate_limit import rate_limit
from resolvers.sources import source_outcomes
from schema.cost import SourceCounts, free, of_connection, of_found, of_ids, of_patients, of_sources
from schema.field import argument, fetch_field
from schema.making import definition, list_of, make_type, optional, optional_list
from schema.provenance import SourceOutcomeType
from schema.rate_limit import RateLimitType
from schema.search import REQUIRE, list_arguments

_IDENTIFIERS = argument(
    "identifiers",
    optional(list_of(str)),
    "1 to 100 NHS numbers, or `system|value`; each gets an outcome in `lookups`. No filters go with it.",
)
_ID = argument("id", ID, "A global id.")


class RootNameTaken(ValueError):
    """Two root fields would have one name."""


def make_query(
    types: dict[str, type], connections: dict[str, type], interface: type, sources: SourceCounts
) -> type:
    """The Query type. `types` and `connections` are by resource type; `sources`: for how many of them costs
    are told."""
    query = make_type("Query", "The clinical record, over every source.")
    fields = [
        *_general(interface, sources.every),
        *_persons(types, connections, sources),
        *_typed(types, connections, sources),
    ]
    names = [field.python_name for field in fields]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise RootNameTaken(f"two root fields are called {', '.join(sorted(doubled))}")
    definition(query).fields.extend(fields)
    return query


def _general(interface: type, sources: int) -> Iterable[StrawberryField]:
    yield fetch_field(
        "node",
        optional(interface),
        node,
        description="Any resource by its global id.",
        arguments=(_ID,),
        costs=of_found(),
    )
    ids = argument("ids", list_of(ID), "Global ids, at most 100.")
    yield fetch_field(
        "nodes",
        optional_list(interface),
        nodes,
        description="Resources in the order asked.",
        arguments=(ids,),
        costs=of_ids("ids"),
    )
    yield fetch_field(
        "sources",
        list_of(SourceOutcomeType),
        source_outcomes,
        description="Every configured source, and whether it answers now.",
        costs=of_sources(sources),
    )
    yield fetch_field(
        "rateLimit",
        optional(RateLimitType),
        rate_limit,
        description="The caller's budget of cost, and what this operation takes of it.",
        costs=free(),
        is_own=True,
    )


def _persons(
    types: dict[str, type], connections: dict[str, type], sources: SourceCounts
) -> Iterable[StrawberryField]:
    if "Patient" not in types:
        return
    arguments = (
        argument("id", optional(ID), "Any id of the person: of a source's record, or the person's own."),
        argument("identifier", optional(str), "An NHS number, or `system|value` of a linking system."),
        REQUIRE,
    )
    yield fetch_field(
        "patient",
        optional(types["Patient"]),
        patient,
        description="One person, by `id` or `identifier`; null for unknown, withheld and foreign ids alike.",
        arguments=arguments,
        reads=Reads("rs", "Patient"),
        costs=of_found(),
    )
    yield fetch_field(
        "me",
        optional(types["Patient"]),
        me,
        description="The patient that the token is for.",
        arguments=(REQUIRE,),
        reads=Reads("r", "Patient"),
        costs=of_found(),
    )
    yield fetch_field(
        "patients",
        optional(connections["Patient"]),
        patients,
        description="One node per person: sources in order of precedence, `sort` within a source.",
        arguments=(*list_arguments("Patient"), _IDENTIFIERS),
        reads=Reads("s", "Patient"),
        costs=of_patients(sources.holding("Patient")),
    )


def _typed(
    types: dict[str, type], connections: dict[str, type], sources: SourceCounts
) -> Iterable[StrawberryField]:
    for name, made in types.items():
        if name == "Patient":
            continue
        yield fetch_field(
            field_name(name),
            optional(made),
            by_id(name),
            description=f"One {name} by its global id.",
            arguments=(_ID,),
            reads=Reads("r", name),
            costs=of_found(),
        )
        yield fetch_field(
            plural(name),
            optional(connections[name]),
            root_list(name),
            description=f"Every {name}, over every source.",
            arguments=list_arguments(name),
            reads=Reads("s", name),
            costs=of_connection(sources.holding(name)),
        )
