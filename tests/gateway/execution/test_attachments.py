"""Addresses of attachments are the same whichever executor answers, from lists, objects and contained
resources."""

from typing import Any

import pytest

from gateway.execution.executor import ExecutionResult, Executor
from resolvers.attachment_ids import Attachments, digest
from resolvers.federation import Federation
from resolvers.resource import Location
from resolvers.upstreams.attachment import Download
from resolvers.upstreams.upstream import Call
from tests.gateway.execution.test_equality import encode, executors, permissions, told
from tests.resolvers.asking import Asker, patient
from tests.resolvers.memory import MemoryUpstream

BASE = "https://a.example/fhir"
ATTACHMENTS = Attachments(b"c" * 32, "https://gateway.test")


class PaperUpstream(MemoryUpstream):
    """In memory, with attachments that nobody fetches here."""

    async def open_attachment(
        self, address: str, location: Location, accept: str, max_bytes: int, call: Call
    ) -> Download | None:
        raise AssertionError("an address was fetched to be shown")


def document(id_: str, *urls: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "subject": {"reference": "Patient/1"},
        "content": [{"attachment": {"title": "t", "url": one}} for one in urls],
    }


DOCUMENTS = [
    document("d1", "Binary/1", f"{BASE}/Binary/1", None, ""),
    document("d2", "https://b.example/fhir/Binary/1", 7, ["x"], "Patient/2"),
    {**document("d3"), "contained": [document("c", "Binary/1")], "content": "bad"},
    {**document("d4", "Binary/4"), "extension": [{"url": "u", "valueAttachment": {"url": "Binary/5"}}]},
]

CONTENT = "fragment C on DocumentReference { id content { attachment { u: url title url } } }"
QUERIES = (
    '{ patient(id: "a/Patient/1") { photo { url } documentReferences { nodes { ...C } } } } ' + CONTENT,
    f"{{ documentReferences {{ nodes {{ ...C }} }} }} {CONTENT}",
    f"""{{ documentReferences {{ edges {{ node {{
      contained {{ ... on DocumentReference {{ ...C }} }} extension {{ valueAttachment {{ url }} }}
    }} }} }} }} {CONTENT}""",
    f'{{ node(id: "a/DocumentReference/d2") {{ ...C }} }} {CONTENT}',
)


async def run(executor: Executor, text: str, scopes: str = "system/*.rs") -> ExecutionResult:
    photos = [{"url": "Binary/7"}, {"url": "http://elsewhere.test/7"}]
    held = {"Patient": [patient("1", photo=photos)], "DocumentReference": DOCUMENTS}
    asker = Asker(PaperUpstream("a", held))
    federation: Federation = asker.federation
    federation._attachments = ATTACHMENTS
    federation._served_types = frozenset({"Patient", "DocumentReference"})
    context = federation.open(asker.principal, permissions(scopes, None), deadline_s=30, request_id="r")
    try:
        return await executor.run(executors()[2].prepare(text, None, ""), {}, context)
    finally:
        context.close()


@pytest.mark.parametrize("text", QUERIES)
async def test_both_executors_give_the_same_addresses(text: str) -> None:
    compiled, stock, _ = executors()
    one, other = await run(compiled, text), await run(stock, text)
    assert encode(one.data) == encode(other.data)
    assert told(one) == told(other)
    shown = encode(one.data)
    assert b"Binary" not in shown
    assert b".example" not in shown
    assert b"https://gateway.test/binary/" in shown or "d2" in text


async def test_an_address_names_the_resource_that_the_source_gives() -> None:
    result = await run(executors()[0], QUERIES[2])
    assert result.data is not None
    nodes = [edge["node"] for edge in result.data["documentReferences"]["edges"]]
    contained = next(node["contained"] for node in nodes if node["contained"])
    url = contained[0]["content"][0]["attachment"]["url"]
    named = ATTACHMENTS.open(url.removeprefix("https://gateway.test/binary/"))
    assert named is not None
    assert (named.source, named.type, named.id) == ("a", "DocumentReference", "d3")
    assert (named.place, named.url) == (digest(BASE), digest("Binary/1"))
