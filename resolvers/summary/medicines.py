"""The names of medicines that are only referred to."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from resolvers.field import FieldCall
from resolvers.reference import follow
from resolvers.resource import Node, Resource
from resolvers.summary.readings import objects, words
from resolvers.summary.rows import Preferred, Row

MEDICATION: Final = "Medication"


async def name(call: FieldCall, rows: Sequence[Row], preferred: Preferred) -> int:
    """Gives rows without a text that of the Medication which their resource refers to, as far as the caller
    may read it. Those of a source are read together. In how many sources some were looked for."""
    nameless = [(row, one) for row in rows if row.get("text") is None for one in _references(row["_of"])]
    if not nameless:
        return 0
    calls = [replace(call, parent=one, arguments={}, selected=frozenset({"code"})) for _, one in nameless]
    for (row, _), found in zip(nameless, await follow.all(calls), strict=True):
        if isinstance(found, Node):
            row["text"] = words(found.element.get("code"), preferred)
    names, upstreams = {one.resource.source for _, one in nameless}, call.context.upstreams
    return sum(MEDICATION in upstreams[name].types for name in names)


def _references(resource: Resource) -> list[Node]:
    held = resource.json.get("medicationReference")
    return [Node(one, resource) for one in objects(held)][:1]
