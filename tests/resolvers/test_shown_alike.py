"""One person is shown, and noted, alike: by the short way of `patient(id:)` and by any other."""

from typing import Any

import pytest

from tests.resolvers.asking import KEY, NHS, Asker
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
HIDDEN = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
LABELLED = ({"security": [{"code": "R"}]}, {"security": [{"code": "U"}]})
WITHHELD = (HIDDEN, {"security": "R"})
METAS: tuple[Any, ...] = (None, {}, "security", {"security": None}, {"security": []}, *WITHHELD)


@pytest.mark.parametrize("meta", [*METAS, *LABELLED])
@pytest.mark.parametrize(
    "scopes", ["system/*.rs", "system/Patient.rs?gender=male", "system/Patient.s", "patient/*.rs"]
)
@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_person_is_shown_and_noted_alike_whichever_field_leads_there(
    meta: Any, scopes: str, is_listed: bool
) -> None:
    number = {"system": NHS, "value": NUMBER}
    json = {"resourceType": "Patient", "id": "1", "telecom": [{"value": "1"}], "identifier": [number]}
    listed = [json if meta is None else {**json, "meta": meta}] if is_listed else []
    id_, told = KEY.seal(NHS, NUMBER), "id telecom { value } records { id } completeness"
    made: list[Any] = []
    for field in ("patient", "node"):
        below = told if field == "patient" else f"... on Patient {{ {told} }}"
        asker = Asker(MemoryUpstream("a", {"Patient": listed}), scopes=scopes, patient="a/Patient/1")
        result = await asker.run(f'{{ it: {field}(id: "{id_}") {{ {below} }} }}')
        context = asker.context
        assert context is not None
        errors = [str(error.message) for error in result.errors]
        noted = context.disclosures.rows(), context.tally.found, context.statuses()
        made.append((result.data, errors, noted))
    assert made[0] == made[1]
    if scopes == "system/*.rs":
        assert (made[0][0]["it"] is None) == (not is_listed or meta in WITHHELD)
