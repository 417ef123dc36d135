"""Walks a patient's observations page by page, and the oracle that says what must be found."""

from collections.abc import Sequence
from typing import Any

from clinical.order import in_order
from clinical.same_fact import fact_of
from resolvers.ordering import ordering_of
from resolvers.resource import Resource
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import NOW, MemoryUpstream

NUMBER = "9990000018"
PAGE = """query($first: Int, $after: String, $last: Int, $before: String, $sort: String,
  $duplicates: Duplicates, $changedSince: Instant, $require: Requirement) {
  patient(identifier: "9990000018") { observations(first: $first, after: $after, last: $last, before: $before,
    sort: $sort, duplicates: $duplicates, changedSince: $changedSince, require: $require) {
    completeness sources { source status message } nodes { id }
    edges { cursor node { id } duplicates { id origin { name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor cursorExpiresAt } } } }"""


def source(name: str, rows: Sequence[dict[str, Any]], **habits: Any) -> MemoryUpstream:
    made = [observation(f"{name}{i:03}", "1", **row) for i, row in enumerate(rows)]
    return MemoryUpstream(name, {"Patient": [patient("1", NUMBER)], "Observation": made}, **habits)


async def page(asker: Asker, **arguments: Any) -> Any:
    data = await asker.data(PAGE, **arguments)
    return data["patient"]["observations"]


async def walk(asker: Asker, size: int, *, from_end: bool = False, **arguments: Any) -> list[list[str]]:
    """Every row in the order of the list, as its id and those of its duplicates."""
    count, beside, more, cursor = ("first", "after", "hasNextPage", "endCursor")
    if from_end:
        count, beside, more, cursor = ("last", "before", "hasPreviousPage", "startCursor")
    found: list[list[str]] = []
    at = None
    for turn in range(500):
        one = await page(asker, **{count: size, beside: at}, **arguments)
        assert one["completeness"] == "COMPLETE", one["sources"]
        rows = [[edge["node"]["id"], *(same["id"] for same in edge["duplicates"])] for edge in one["edges"]]
        assert [row[0] for row in rows] == [node["id"] for node in one["nodes"]]
        found = rows + found if from_end else found + rows
        info = one["pageInfo"]
        assert info["hasPreviousPage" if not from_end else "hasNextPage"] is (turn > 0)
        at = info[cursor]
        if not info[more]:
            return found
    raise AssertionError("the walk does not end")


def oracle(sources: Sequence[MemoryUpstream], sort: str) -> list[Resource]:
    """All rows, sorted as FHIR says, and then by source and id."""
    rows = [(rank, up, one) for rank, up in enumerate(sources) for one in up.resources["Observation"]]
    rows.sort(key=lambda row: (row[0], row[2]["id"]))
    if sort.removeprefix("-") == "_id":
        rows.sort(key=lambda row: row[2]["id"], reverse=sort.startswith("-"))
        return [_resource(up, one) for _, up, one in rows]
    ranked = [{**one, "id": f"{index:05}"} for index, (_, _, one) in enumerate(rows)]
    return [_resource(*rows[int(one["id"])][1:]) for one in in_order(ranked, "Observation", sort)]


def collapsed(rows: Sequence[Resource], sort: str) -> list[list[Resource]]:
    """The rows with the duplicates of each: compared with every earlier one of the same sort key."""
    ordering = ordering_of("Observation", sort)
    found: list[list[Resource]] = []
    for row in rows:
        for group in found:
            first = group[0]
            if ordering.key(first) == ordering.key(row) and fact_of(first.json, first.source).is_same(
                fact_of(row.json, row.source)
            ):
                group.append(row)
                break
        else:
            found.append([row])
    return found


def ids(groups: Sequence[Sequence[Resource]]) -> list[list[str]]:
    return [[f"{one.source}/Observation/{one.id}" for one in group] for group in groups]


def _resource(up: MemoryUpstream, json: dict[str, Any]) -> Resource:
    return Resource(up.name, up.location, "Observation", json["id"], json, NOW)
