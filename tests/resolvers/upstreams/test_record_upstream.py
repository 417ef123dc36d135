"""A source of whole records: searched here, whatever its rows are, as an oracle says it must be."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clinical.identifiers import Token
from clinical.order import in_order
from resolvers.resource import Location
from resolvers.upstreams import record_search
from resolvers.upstreams.errors import PageExpired, SearchNotSupported, UpstreamError
from resolvers.upstreams.record import Record
from resolvers.upstreams.record_upstream import RecordUpstream
from resolvers.upstreams.upstream import Call, Filter, Page, Read, Search
from tests.resolvers.upstreams.sources import call

PLACE = Location("http://records.test")
Json = dict[str, Any]


class Records:
    """`RecordSource` over rows by patient; ids begin with the patient's."""

    name = "records"
    types = frozenset(("Observation", "Patient"))
    links_by_table = True
    location = PLACE

    def __init__(self, rows: Sequence[Json]) -> None:
        self.rows = list(rows)
        self.fetched: list[str] = []

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to end."""

    async def probe(self, call: Call) -> UpstreamError | None:
        return None

    async def owner(self, resource_type: str, own_id: str) -> str | None:
        patient = own_id.partition(".")[0]
        return patient if patient in ("a", "b") else None

    def part(self, resource_type: str) -> str:
        return "all"

    def patients(self) -> frozenset[str] | None:
        return None

    async def patients_of(self, identifier: Token, call: Call) -> tuple[str, ...]:
        return ()

    async def fetch(self, patient: str, part: str, call: Call) -> Record:
        self.fetched.append(patient)
        own = [row for row in self.rows if row["id"].startswith(f"{patient}.")]
        return Record({("Observation", row["id"]): row for row in own})


def row(number: int, patient: str, day: int | None, code: str) -> Json:
    made: Json = {
        "resourceType": "Observation",
        "id": f"{patient}.{number}",
        "status": "final",
        "code": {"coding": [{"system": "s", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
    return made | ({"effectiveDateTime": f"2026-01-{day:02d}"} if day else {})


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.one_of(st.none(), st.integers(1, 9)), st.sampled_from("xyz")),
    max_size=30,
).map(lambda drawn: [row(number, *one) for number, one in enumerate(drawn)])


def search(patient: str = "a", **more: Any) -> Search:
    return Search("Observation", PLACE, patient=patient, patient_parameter="patient", **more)


async def walked(source: RecordUpstream, asked: Search, one: Call | None = None) -> list[str]:
    found: list[str] = []
    while True:
        (page,) = await source.search([asked], one or call())
        assert isinstance(page, Page)
        found += [resource.id for resource in page.resources]
        if page.next is None:
            return found
        asked = replace(asked, page=page.next)


@given(
    ROWS, st.integers(1, 7), st.sampled_from(["date", "-date", "code,-date", "_id", "-_id"]), st.booleans()
)
async def test_pages_of_any_size_are_what_the_rules_say(
    rows: list[Json], size: int, sort: str, is_filtered: bool
) -> None:
    source = RecordUpstream(Records(rows))
    filters = (Filter("code", ("s|x", "s|y")),) if is_filtered else ()
    asked = search(filters=filters, sort=tuple(sort.split(",")), count=size)
    mine = [one for one in rows if one["subject"]["reference"] == "Patient/a"]
    if is_filtered:
        mine = [one for one in mine if one["code"]["coding"][0]["code"] in "xy"]
    assert await walked(source, asked) == [one["id"] for one in in_order(mine, "Observation", sort)]


async def test_a_walk_of_a_request_fetches_and_sorts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_rows: list[int] = []

    def counted(rows: Any, *more: Any) -> list[Json]:
        listed = list(rows)
        sorted_rows.append(len(listed))
        return in_order(listed, *more)

    monkeypatch.setattr(record_search, "in_order", counted)
    records = Records([row(number, "a", 1, "x") for number in range(3000)])
    found = await walked(RecordUpstream(records), search(count=10), call(60))
    assert len(set(found)) == 3000
    assert (sorted_rows, records.fetched) == ([3000], ["a"])


async def test_a_page_whose_last_row_has_gone_has_expired() -> None:
    records = Records([row(number, "a", number, "x") for number in range(1, 9)])
    source = RecordUpstream(records)
    (page,) = await source.search([search(count=3)], call())
    assert isinstance(page, Page)
    records.rows = [one for one in records.rows if one["id"] != page.next]
    (again,) = await source.search([search(count=3, page=page.next)], call())
    assert isinstance(again, PageExpired)


async def test_what_cannot_be_done_exactly_is_not_done() -> None:
    source = RecordUpstream(Records([row(1, "a", 1, "x")]))
    odd = [
        search(filters=(Filter("value-quantity", ("5",)),)),
        search(filters=(Filter("date", ("soon",)),)),
        search(sort=("nothing",)),
        replace(search(), type="Condition"),
        replace(search(), patient=None, patient_parameter=None),
    ]
    answers = await source.search(odd, call())
    assert [type(one) for one in answers] == [SearchNotSupported] * len(odd)


async def test_an_id_of_nobody_is_asked_of_nobody() -> None:
    records = Records([row(1, "a", 1, "x")])
    reads = [
        Read("Observation", "c.1", PLACE),
        Read("Observation", "1", PLACE),
        Read("Condition", "a.1", PLACE),
    ]
    elsewhere = Read("Observation", "a.1", Location("http://elsewhere.test"))
    answers = await RecordUpstream(records).read([*reads, elsewhere], call())
    assert list(answers) == [None] * 4
    assert records.fetched == []
