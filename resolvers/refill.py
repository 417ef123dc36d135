"""Demographics: elements that the shown record of a person lacks, taken from the next record that has them.

Only elements that the deployment declares (`[identity] refill`), each as a whole and from one record. Of a
restricted person nothing is filled in. An element that refers to another resource is not taken: the
reference would be read as one of the source that is shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from resolvers.resource import Json, Node

Refillable = Literal[
    "name",
    "telecom",
    "gender",
    "birthDate",
    "deceased",
    "address",
    "maritalStatus",
    "multipleBirth",
    "communication",
]
"""Elements of Patient that one record may lend another; a choice element is one element."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "deceased": ("deceasedBoolean", "deceasedDateTime"),
    "multipleBirth": ("multipleBirthBoolean", "multipleBirthInteger"),
}
_EMPTY: Final[tuple[Any, ...]] = (None, [], {}, "")


class ElementSource(msgspec.Struct, frozen=True):
    """Where one element of a Patient is from."""

    element: str
    source: str
    record_id: str


class Refilled(NamedTuple):
    """The Patient, and from which record each of the declared elements is that it has."""

    node: Node
    sources: tuple[ElementSource, ...]


def refilled(shown: Node, others: Iterable[Node], elements: Sequence[str]) -> Refilled:
    """The shown record with what it lacks of these elements; `others` in order of precedence."""
    origins = {name: shown for name in elements if _has(shown.element, name)}
    lacking = [name for name in elements if name not in origins]
    added: Json = {}
    for other in others if lacking else ():
        for name in [one for one in lacking if _lends(other.element, one)]:
            added |= {part: other.element[part] for part in _parts(name) if part in other.element}
            origins[name] = other
            lacking.remove(name)
        if not lacking:
            break
    told = tuple(_source(name, origins[name]) for name in elements if name in origins)
    if not added:
        return Refilled(shown, told)
    resource = replace(shown.resource, json={**shown.element, **added})
    return Refilled(Node(resource.json, resource), told)


def _source(element: str, node: Node) -> ElementSource:
    record = node.resource
    return ElementSource(element, record.source, f"{record.source}/Patient/{record.id}")


def _parts(element: str) -> Iterator[str]:
    """The members of a JSON object that make up an element: its choices, and the extensions of each."""
    for one in _CHOICES.get(element, (element,)):
        yield from (one, f"_{one}")


def _has(json: Json, element: str) -> bool:
    return any(json.get(one) not in _EMPTY for one in _parts(element))


def _lends(json: Json, element: str) -> bool:
    return _has(json, element) and not any(_refers(json.get(one)) for one in _parts(element))


def _refers(value: Any) -> bool:
    if isinstance(value, dict):
        return "reference" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))
