"""Connections: one page of a list, in the shape of Relay, with its completeness."""

from typing import Final

from clinical.dates import instant
from resolvers.connection import Connection
from resolvers.edge import Edge
from resolvers.outcome import OK, Completeness, completeness
from resolvers.total import total_count
from schema.cost import of_edge_node, of_searches
from schema.field import ComputedField, computed_field, fetch_field, rows_field
from schema.identity import lookup_type
from schema.making import definition, list_of, make_type, optional
from schema.provenance import CompletenessEnum, SourceOutcomeType
from schema.scalars import Instant

_COMPLETE: Final = Completeness.COMPLETE

PageInfo = make_type("PageInfo", "Where a page lies in its list.")


definition(PageInfo).fields.extend(
    (
        computed_field("hasNextPage", bool, lambda one: one.has_next, description="Whether rows follow."),
        computed_field(
            "hasPreviousPage",
            bool,
            lambda one: one.has_previous,
            description="Whether rows precede; that of the cursor `after` does.",
        ),
        computed_field(
            "startCursor", optional(str), lambda one: one.cursor(0), description="The first row's."
        ),
        computed_field("endCursor", optional(str), lambda one: one.cursor(-1), description="The last row's."),
        computed_field(
            "cursorExpiresAt",
            optional(Instant),
            lambda one: instant(one.cursors_expire_at),
            description="Until when the page's cursors can be used; null where it has no rows.",
        ),
    )
)


def connection_type(resource: type, sources: int) -> type:
    """The connection of a resource type that so many sources can hold, with its edge."""
    name = definition(resource).name
    edge = _edge_type(name, resource)
    made = make_type(f"{name}Connection", f"One page of a list of {name}, merged from every source.")
    definition(made).fields.extend(
        (
            computed_field(
                "edges", list_of(edge), lambda one: one.edges, description="Rows with their cursors."
            ),
            _rows(name, resource),
            computed_field("pageInfo", PageInfo, lambda one: one, description="Where the page lies."),
            fetch_field(
                "totalCount",
                optional(int),
                total_count,
                description="All rows of all pages; null where a source cannot say or the gateway filters.",
                costs=of_searches(sources),
            ),
            computed_field(
                "sources",
                list_of(SourceOutcomeType),
                lambda one: one.outcomes,
                description="How every source that can hold the type did its part.",
            ),
            computed_field(
                "completeness",
                CompletenessEnum,
                _completeness,
                description="Whether this is all there is, as far as the caller may see.",
            ),
        )
    )
    if name == "Patient":
        definition(made).fields.append(
            computed_field(
                "lookups",
                optional(list_of(lookup_type(resource))),
                lambda one: one.lookups,
                description="How the lookup of each of `identifiers` ended, in order; null without them.",
            )
        )
    return made


def _edge_type(name: str, resource: type) -> type:
    edge = make_type(f"{name}Edge", f"A row of a list of {name}.")
    definition(edge).fields.extend(
        (
            computed_field(
                "cursor", str, lambda one: one.cursor, description="Where to go on after this row."
            ),
            computed_field("node", resource, _node, description="The row.", costs=of_edge_node()),
        )
    )
    if name != "Patient":
        definition(edge).fields.append(
            computed_field(
                "duplicates",
                list_of(resource),
                lambda one: one.duplicates,
                description="Other records of the same clinical fact, in order of precedence, where "
                "duplicates are collapsed.",
            )
        )
    return edge


def _rows(name: str, resource: type) -> ComputedField:
    if name == "Patient":  # a person is more than a row of a page
        return computed_field("nodes", list_of(resource), _nodes, description="The rows.")
    return rows_field(
        "nodes",
        list_of(resource),
        _nodes,
        row_type=name,
        description="The rows.",
    )


def _completeness(connection: Connection) -> Completeness:
    outcomes = connection.outcomes
    if len(outcomes) == 1 and outcomes[0].status is OK:  # as it nearly always is
        return _COMPLETE
    return completeness(outcomes)


def _node(edge: Edge) -> object:
    return edge.node


def _nodes(connection: Connection) -> object:
    return connection.nodes
