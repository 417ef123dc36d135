"""Every resource says where it is from and when it was fetched."""

from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream


async def test_origin_tells_when_and_from_where_a_resource_was_retrieved() -> None:
    meta = {"versionId": "3", "lastUpdated": "2026-10-01T10:00:00Z"}
    up = MemoryUpstream("a", {"Patient": [patient("1")], "Observation": [observation("o", "1", meta=meta)]})
    text = """{ observation(id: "a/Observation/o") {
      origin { name fhirId versionId lastUpdated retrievedAt cached } } }"""
    assert (await Asker(up).data(text))["observation"]["origin"] == {
        "name": "a",
        "fhirId": "o",
        "versionId": "3",
        "lastUpdated": "2026-10-01T10:00:00Z",
        "retrievedAt": "2026-11-01T00:00:00.000Z",
        "cached": False,
    }
