"""What is not shown unless asked for: records entered in error, by their type's status, and old documents."""

from typing import Any

import pytest

from clinical.hidden import is_entered_in_error, is_hidden
from resolvers.hidden import hidden_filter
from tests.resolvers.asking import Asker, patient
from tests.resolvers.memory import MemoryUpstream

ERROR = "entered-in-error"


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({"resourceType": "Observation", "status": ERROR}, "status"),
        ({"resourceType": "Goal", "lifecycleStatus": ERROR}, "lifecycle-status"),
        (
            {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": ERROR}]}},
            "verification-status",
        ),
    ],
)
def test_each_kind_of_status_hides_and_is_counted_by_its_own_parameter(
    resource: dict[str, Any], code: str
) -> None:
    assert is_entered_in_error(resource)
    found = hidden_filter(resource["resourceType"])
    assert found is not None
    assert (found.code, found.values) == (code, (ERROR,))


DOCUMENTS = """query($status: [String!], $since: Instant, $sort: String) { patient(identifier: "9990000018") {
  documentReferences(status: $status, changedSince: $since, sort: $sort) {
    totalCount nodes { id status } } } }"""
STATUSES = ("current", "superseded", ERROR)


def documents(*statuses: str) -> MemoryUpstream:
    rows = [
        {
            "resourceType": "DocumentReference",
            "id": status,
            "status": status,
            "date": f"2026-01-0{place + 1}T00:00:00Z",
            "description": "superseded",
            "subject": {"reference": "Patient/1"},
            "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
        }
        for place, status in enumerate(statuses or STATUSES)
    ]
    held = {"Patient": [patient("1", "9990000018")], "DocumentReference": rows}
    return MemoryUpstream("a", held, sorts=frozenset({"date", "_id"}))


@pytest.mark.parametrize("sort", [None, "date"])  # newest first has a shorter way
@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (None, ["current"]),
        (["superseded"], ["superseded"]),
        (["current", "http://hl7.org/fhir/document-reference-status|superseded"], ["current", "superseded"]),
        ([ERROR], [ERROR]),
    ],
)
async def test_superseded_documents_are_out_unless_asked_for(
    sort: str | None, asked: list[str] | None, shown: list[str]
) -> None:
    found = (await Asker(documents()).data(DOCUMENTS, status=asked, sort=sort))["patient"][
        "documentReferences"
    ]
    assert sorted(one["status"] for one in found["nodes"]) == shown
    assert found["totalCount"] == len(shown)


async def test_a_page_with_nothing_else_odd_leaves_superseded_documents_out() -> None:
    asker = Asker(documents("current", "superseded"))
    text = """{ patient(identifier: "9990000018") { documentReferences { nodes { status } } } }"""
    found = await asker.data(text)
    assert found["patient"]["documentReferences"]["nodes"] == [{"status": "current"}]


async def test_what_has_changed_includes_what_was_superseded() -> None:
    found = await Asker(documents()).data(DOCUMENTS, since="2025-01-01T00:00:00Z")
    assert {one["status"] for one in found["patient"]["documentReferences"]["nodes"]} == set(STATUSES)


async def test_words_of_a_filter_that_is_not_about_the_status_ask_for_nothing_hidden() -> None:
    text = """{ patient(identifier: "9990000018") {
      documentReferences(description: {contains: "superseded"}) { nodes { status } } } }"""
    found = await Asker(documents()).data(text)
    assert found["patient"]["documentReferences"]["nodes"] == [{"status": "current"}]


def test_only_documents_can_be_superseded() -> None:
    assert is_hidden("DocumentManifest", {"status": "superseded"})
    assert not is_hidden("Observation", {"status": "superseded"})
