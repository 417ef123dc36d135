"""The names of medicines that are only referred to."""

from collections.abc import Sequence

from msgspec.structs import replace

from resolvers.field import FieldCall
from resolvers.reference import follow
from resolvers.resource import Node, Resource
from resolvers.summary.readings import objects, words
from resolvers.summary.rows import Preferred, Row


async def name(call: FieldCall, rows: Sequence[Row], preferred: Preferred) -> None:
    """Gives rows without a text that of the Medication which their resource refers to, as far as the caller
    may read it. Those of a source are read together."""
    nameless = [(row, one) for row in rows if row.get("text") is None for one in _references(row["_of"])]
    if not nameless:
        return
    calls = [replace(call, parent=one, arguments={}, selected=frozenset({"code"})) for _, one in nameless]
    for (row, _), found in zip(nameless, await follow.all(calls), strict=True):
        if isinstance(found, Node):
            row["text"] = words(found.element.get("code"), preferred)


def _references(resource: Resource) -> list[Node]:
    held = resource.json.get("medicationReference")
    return [Node(one, resource) for one in objects(held)][:1]
