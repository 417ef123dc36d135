"""Connections: one page of a list, in the shape of Relay, with its completeness."""

from resolvers.connection import Connection
from resolvers.edge import Edge
from resolvers.outcome import completeness
from resolvers.total import total_count
from schema.cost import of_count, of_edge_node
from schema.field import ComputedField, computed_field, fetch_field, rows_field
from schema.making import definition, list_of, make_type, optional
from schema.provenance import CompletenessEnum, SourceOutcomeType

PageInfo = make_type("PageInfo", "Where a page lies in its list.")


definition(PageInfo).fields.extend(
    (
        computed_field("hasNextPage", bool, lambda one: one.has_next, description="Whether rows follow."),
        computed_field(
            "hasPreviousPage",
            bool,
            lambda one: one.question.after is not None,
            description="Whether the page was asked for by a cursor: rows precede it.",
        ),
        computed_field(
            "startCursor", optional(str), lambda one: one.cursor(0), description="The first row's."
        ),
        computed_field("endCursor", optional(str), lambda one: one.cursor(-1), description="The last row's."),
    )
)


def connection_type(resource: type, sources: int) -> type:
    """The connection of a resource type that so many sources can hold, with its edge."""
    name = definition(resource).name
    edge = make_type(f"{name}Edge", f"A row of a list of {name}.")
    definition(edge).fields.extend(
        (
            computed_field(
                "cursor", str, lambda one: one.cursor, description="Where to go on after this row."
            ),
            computed_field("node", resource, _node, description="The row.", costs=of_edge_node()),
        )
    )
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
                costs=of_count(sources),
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
                lambda one: completeness(one.outcomes),
                description="Whether this is all there is, as far as the caller may see.",
            ),
        )
    )
    return made


def _rows(name: str, resource: type) -> ComputedField:
    if name == "Patient":  # a person is more than a row of a page
        return computed_field("nodes", list_of(resource), _nodes, description="The rows.")
    return rows_field(
        "nodes",
        list_of(resource),
        _nodes,
        lambda one: one.straight,
        row_type=name,
        description="The rows.",
    )


def _node(edge: Edge) -> object:
    return edge.node


def _nodes(connection: Connection) -> object:
    return connection.nodes
