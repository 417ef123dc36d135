"""`@cost` and `@listSize`: what a field costs, for whoever reads the schema (IBM cost specification, 2021).

A weight stands where its field is defined. What carries no directive costs by its kind: a scalar 0, an object
1, a field of a mutation 10 (docs/cost.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import strawberry
from strawberry import UNSET
from strawberry.schema_directive import Location

from resolvers.question import FIRST_DEFAULT

SEARCH: Final = 5
"""Of one source, whatever pages, parts and retries it takes; of a series that is read to its end, of
a page."""

FOUND: Final = 1
"""Of a resource that is asked for by id or followed to by a reference."""

PAGES_ASSUMED: Final = 20
"""Of each source, where all that a person has of something is read: 2,000 rows of a source that gives a
hundred at once. More are read where there are more, and not charged."""

_PAGED: Final = ("first", "last")
ROW_FIELDS: Final = ("edges", "nodes")
"""The fields of a connection that hold its rows; both hold the same ones."""


@strawberry.schema_directive(
    locations=[
        Location.ARGUMENT_DEFINITION,
        Location.ENUM,
        Location.FIELD_DEFINITION,
        Location.INPUT_FIELD_DEFINITION,
        Location.OBJECT,
        Location.SCALAR,
    ],
    name="cost",
    description=(
        "What a field, argument or type adds to the cost of an operation, a number. Where there is none: a "
        "scalar 0, an object 1, a field of a mutation 10 (docs/cost.md)."
    ),
)
class Cost:
    """The directive's one argument."""

    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description=(
        "How many items a list is taken to have: the greatest of `slicingArguments`, of a list its length, "
        "else `assumedSize`. `sizedFields` are the fields below that hold the items; they share them, so "
        "that items count once whichever of the fields are selected. A list without this counts as one item."
    ),
)
class ListSize:
    """The directive's arguments."""

    assumed_size: int | None = strawberry.directive_field(name="assumedSize", default=UNSET)
    slicing_arguments: list[str] | None = strawberry.directive_field(name="slicingArguments", default=UNSET)
    sized_fields: list[str] | None = strawberry.directive_field(name="sizedFields", default=UNSET)
    require_one_slicing_argument: bool | None = strawberry.directive_field(
        name="requireOneSlicingArgument", default=True
    )


Costs = tuple[Cost | ListSize, ...]
"""The directives of one field."""


class HasTypes(Protocol):
    """A source, as far as its part in a cost goes."""

    types: frozenset[str]


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """How many sources a deployment has, and by type how many of them can hold it; one for everything where
    nothing is said."""

    every: int = 1
    by_type: Mapping[str, int] | None = None

    def holding(self, resource_type: str) -> int:
        """How many sources can hold a type."""
        return 1 if self.by_type is None else self.by_type.get(resource_type, 0)


def counts_of(sources: Iterable[HasTypes]) -> SourceCounts:
    """The counts of configured sources."""
    listed = list(sources)
    by_type: dict[str, int] = {}
    for one in listed:
        for name in one.types:
            by_type[name] = by_type.get(name, 0) + 1
    return SourceCounts(len(listed), by_type)


def of_connection(sources: int) -> Costs:
    """A list over so many sources: a search of each, and its rows."""
    return _of_list(sources, _PAGED, ROW_FIELDS)


def of_patients(sources: int) -> Costs:
    """A list of persons over so many sources: by search, or as many as there are identifiers."""
    return _of_list(sources, (*_PAGED, "identifiers"), (*ROW_FIELDS, "lookups"))


def _of_list(sources: int, slicing: Iterable[str], sized: Iterable[str]) -> Costs:
    size = ListSize(
        assumed_size=FIRST_DEFAULT,
        slicing_arguments=list(slicing),
        sized_fields=list(sized),
        require_one_slicing_argument=False,
    )
    return (Cost(weight=str(SEARCH * sources)), size)


def of_searches(count: int) -> Costs:
    """A value for which so many searches are made: how many rows the sources have in all, a search of each
    besides the list's own; or what is made of rows that nobody is shown."""
    return (Cost(weight=str(SEARCH * count)),)


def of_rows(searches: int, assumed: int) -> Costs:
    """A plain list of what so many searches find, `first` of it."""
    size = ListSize(assumed_size=assumed, slicing_arguments=["first"], require_one_slicing_argument=False)
    return (Cost(weight=str(SEARCH * searches)), size)


def of_states(searches: int, count: int) -> Costs:
    """A list of so many things, for which so many searches are made."""
    size = ListSize(assumed_size=count, require_one_slicing_argument=False)
    return (Cost(weight=str(SEARCH * searches)), size)


def of_found() -> Costs:
    """One resource, asked for by id or followed to."""
    return (Cost(weight=str(FOUND)),)


def of_ids(argument: str) -> Costs:
    """As many resources as an argument has ids."""
    return (ListSize(slicing_arguments=[argument]),)


def of_sources(every: int) -> Costs:
    """A row for each source of the deployment, each of which is asked."""
    return (ListSize(assumed_size=every, require_one_slicing_argument=False),)


def of_edge_node() -> Costs:
    """The row that an edge holds: it has been counted with its edge."""
    return free()


def free() -> Costs:
    """Nothing, where an object would cost 1."""
    return (Cost(weight="0"),)
