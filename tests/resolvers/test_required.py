"""`require: COMPLETE`: all of an answer, or null and one error that names who is missing."""

from typing import Any

import pytest

from resolvers.errors import AnswerIncomplete
from resolvers.upstreams.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.resolvers.asking import Asker, codes
from tests.resolvers.memory import MemoryUpstream
from tests.resolvers.paging import NUMBER, source

SORTED = frozenset({"date", "_id"})
ROWS = [{"when": "2020"}, {"when": "2021"}]
SELECTIONS = ("nodes { id }", "nodes { status }", "totalCount", "completeness", "edges { cursor }")
TEXT = """query($duplicates: Duplicates) { patient(identifier: "%s") { id
  observations(require: COMPLETE, duplicates: $duplicates) { %s } } }"""


def two(down: UpstreamError | None) -> tuple[MemoryUpstream, MemoryUpstream]:
    a, b = source("a", ROWS, sorts=SORTED), source("b", ROWS, sorts=SORTED)
    b.down = down
    return a, b


@pytest.mark.parametrize("selected", SELECTIONS)
@pytest.mark.parametrize("duplicates", ["SHOW", "COLLAPSE"])
async def test_a_list_that_lacks_a_source_is_null_and_one_error(selected: str, duplicates: str) -> None:
    asker = Asker(*two(UpstreamTimeout("b", "slow")))
    found = await asker.run(TEXT % (NUMBER, selected), duplicates=duplicates)
    assert found.data["patient"]["observations"] is None
    assert found.data["patient"]["id"]
    assert codes(found.errors) == ["INCOMPLETE"]
    assert found.errors[0].path == ["patient", "observations"]
    problem: Any = found.errors[0].original_error
    assert isinstance(problem, AnswerIncomplete)
    assert problem.extensions == {"sources": [{"source": "b", "status": "TIMEOUT", "message": "slow"}]}
    assert asker.context is not None
    assert asker.context.statuses()["b"] == "TIMEOUT"
    assert "Observation" not in {one.type for one in asker.context.disclosures}


@pytest.mark.parametrize("selected", SELECTIONS)
async def test_a_complete_list_is_given(selected: str) -> None:
    data = await Asker(*two(None)).data(TEXT % (NUMBER, selected))
    assert data["patient"]["observations"] is not None


@pytest.mark.parametrize(
    "field",
    [
        f'patient(identifier: "{NUMBER}", require: COMPLETE)',
        'patient(id: "a/Patient/1", require: COMPLETE)',
    ],
)
async def test_a_person_whom_a_source_could_not_be_asked_about_is_null(field: str) -> None:
    text = f"{{ {field} {{ id birthDate }} }}"
    found = await Asker(*two(UpstreamUnavailable("b", "down"))).run(text)
    assert found.data == {"patient": None}
    assert codes(found.errors) == ["INCOMPLETE"]
    assert (await Asker(*two(None)).data(text))["patient"]["birthDate"]


async def test_me_can_be_required_complete() -> None:
    text = "{ me(require: COMPLETE) { id } }"
    found = await Asker(*two(UpstreamUnavailable("b", "down")), patient="a/Patient/1").run(text)
    assert (found.data, codes(found.errors)) == ({"me": None}, ["INCOMPLETE"])
    assert (await Asker(*two(None), patient="a/Patient/1").data(text))["me"]["id"]


async def test_lists_at_the_root_and_persons_can_be_required_complete() -> None:
    for field in ("observations", "patients"):
        text = f"{{ {field}(require: COMPLETE) {{ nodes {{ id }} }} }}"
        found = await Asker(*two(UpstreamUnavailable("b", "down"))).run(text)
        assert (found.data, codes(found.errors)) == ({field: None}, ["INCOMPLETE"])
        assert (await Asker(*two(None)).data(text))[field]["nodes"]
