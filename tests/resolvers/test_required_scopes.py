"""What an error says would do: to read by id `r`, to find or list `s`, of the type that was refused."""

import pytest

from resolvers.errors import FieldUnauthorized
from tests.resolvers.asking import NHS, Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
LEVELS = ("patient", "user", "system")


@pytest.mark.parametrize(
    ("scopes", "query", "required"),
    [
        ("user/Patient.r", f'{{ patient(identifier: "{NHS}|{NUMBER}") {{ id }} }}', "Patient.s"),
        ("user/Patient.s", '{ patient(id: "a/Patient/1") { id } }', "Patient.r"),
        ("user/Patient.s", '{ node(id: "a/Patient/1") { id } }', "Patient.r"),
        ("user/Patient.s", '{ nodes(ids: ["a/Observation/o"]) { id } }', "Observation.r"),
        (
            "user/Patient.r",
            '{ patient(id: "a/Patient/1") { observations { nodes { id } } } }',
            "Observation.s",
        ),
        ("user/Observation.r", "{ observations { nodes { id } } }", "Observation.s"),
        ("user/Observation.s", '{ observation(id: "a/Observation/o") { id } }', "Observation.r"),
        ("user/Observation.s", "{ observations { nodes { subject { resource { id } } } } }", "Patient.r"),
        (
            "user/*.rs?category=laboratory user/Patient.r",
            '{ patient(id: "a/Patient/1") { encounters { nodes { id } } } }',
            "Encounter.s",
        ),
    ],
)
async def test_an_error_names_the_scopes_that_would_do(scopes: str, query: str, required: str) -> None:
    held = {"Patient": [patient("1", NUMBER)], "Observation": [observation("o", "1", "2020")]}
    result = await Asker(MemoryUpstream("a", held), scopes=scopes).run(query)
    (error,) = [one.original_error for one in result.errors]
    assert isinstance(error, FieldUnauthorized)
    assert error.required == [[f"{level}/{required}"] for level in LEVELS]
    enough = await Asker(MemoryUpstream("a", held), scopes=f"{scopes} user/{required}").run(query)
    assert enough.errors == []
