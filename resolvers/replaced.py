"""Records that were replaced by another of the same source (`Patient.link`, R4 Patient 8.1.2, link-type).

`replaced-by`: the record must no longer be used, the other one in lieu. `replaces` leads to records that may
say so. `refer` and `seealso` are hints that lead nowhere here.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from clinical.references import parse_reference
from resolvers.loaders import Loaders
from resolvers.persons import Person
from resolvers.resource import Json, Resource
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Read

HOPS_MAX: Final = 5
"""How often a record may be replaced, and its replacement again."""


def is_replaced(record: Resource) -> bool:
    """Whether a Patient record says that another one has taken its place."""
    return any(one.get("type") == "replaced-by" for one in _links(record))


def leads_on(record: Resource) -> bool:
    """Whether a Patient record was replaced, or has replaced another one."""
    return any(one.get("type") in ("replaced-by", "replaces") for one in _links(record))


async def successors(loaders: Loaders, records: Sequence[Resource]) -> Sequence[Resource | None]:
    """The record that is used in the place of each; None where that cannot be told: a cycle, too long a
    chain, several replacements, one of another source, and one that is not there or cannot be read."""
    found = await settled(*(_successor(loaders, one) for one in records))
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, UpstreamError):
            raise one
    return [one if isinstance(one, Resource) else None for one in found]


async def predecessors(loaders: Loaders, record: Resource) -> tuple[list[Resource], bool]:
    """The records that a record has replaced, as both say, directly or one after the other; and whether all
    that it names could be read. One that is gone has nothing to say."""
    found: dict[str, Resource] = {}
    asked, fresh, is_whole = {record.id}, [record], True
    for _ in range(HOPS_MAX):
        pairs = [(one, id_) for one in fresh for id_ in _ids(one, "replaces") if id_]
        pairs = [(one, id_) for one, id_ in pairs if id_ not in asked]
        asked.update(id_ for _, id_ in pairs)
        reads = (loaders.read(one.source, Read("Patient", id_, one.location)) for one, id_ in pairs)
        fresh = []
        for (one, id_), answer in zip(pairs, await settled(*reads), strict=True):
            if isinstance(answer, UpstreamError):
                is_whole = False
            elif isinstance(answer, BaseException):
                raise answer
            elif answer is not None and answer.id == id_ and _named(answer) == one.id:
                found[id_] = answer
                fresh.append(answer)
        if not fresh:
            break
    return list(found.values()), is_whole


async def with_former(loaders: Loaders, person: Person) -> Person:
    """The person of a single record, with what that has replaced."""
    (record,) = person.records
    if "link" in record.json and not is_replaced(record):
        former, is_whole = await predecessors(loaders, record)
        for one in former:
            person.add_former(one)
        if not is_whole:
            person.note_unread(record.source)
    return person


async def _successor(loaders: Loaders, record: Resource) -> Resource | None:
    seen = {record.key}
    for _ in range(HOPS_MAX):
        named = _named(record)
        if named is None:
            return None
        answer = await loaders.read(record.source, Read("Patient", named, record.location))
        if answer is None or answer.key in seen:
            return None
        if not is_replaced(answer):
            return answer
        seen.add(answer.key)
        record = answer
    return None


def _named(record: Resource) -> str | None:
    """The id of the one record that has taken this one's place, at the place where this one is."""
    ids = _ids(record, "replaced-by")
    return next(iter(ids)) if len(ids) == 1 else None


def _ids(record: Resource, type_: str) -> set[str | None]:
    """The ids to which links of a type lead, None for one that leads to another place."""
    ids: set[str | None] = set()
    for one in _links(record):
        if one.get("type") == type_:
            other = one.get("other")
            ids.add(_local_id(record, other.get("reference") if type(other) is dict else None))
    return ids


def _links(record: Resource) -> Iterable[Json]:
    links = record.json.get("link")
    return [one for one in links if type(one) is dict] if type(links) is list else ()


def _local_id(record: Resource, reference: object) -> str | None:
    parsed = parse_reference(reference) if isinstance(reference, str) and reference else None
    if parsed is None or parsed.type != "Patient":
        return None
    own = record.location.base_url.rstrip("/")
    return parsed.id if (parsed.base or own).rstrip("/") == own else None
