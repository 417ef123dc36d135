"""Records that were replaced by another of the same source (`Patient.link`, R4 Patient 8.1.2, link-type).

`replaced-by`: the record must no longer be used, the other one in lieu. `replaces`, `refer` and `seealso`
are hints that lead nowhere here.
"""

from collections.abc import Sequence
from typing import Final

from clinical.references import parse_reference
from resolvers.loaders import Loaders
from resolvers.resource import Resource
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Read

HOPS_MAX: Final = 5
"""How often a record may be replaced, and its replacement again."""


def is_replaced(record: Resource) -> bool:
    """Whether a Patient record says that another one has taken its place."""
    links = record.json.get("link")
    return type(links) is list and any(
        type(one) is dict and one.get("type") == "replaced-by" for one in links
    )


async def successors(loaders: Loaders, records: Sequence[Resource]) -> Sequence[Resource | None]:
    """The record that is used in the place of each; None where that cannot be told: a cycle, too long a
    chain, several replacements, one of another source, and one that is not there or cannot be read."""
    found = await settled(*(_successor(loaders, one) for one in records))
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, UpstreamError):
            raise one
    return [one if isinstance(one, Resource) else None for one in found]


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
    links = record.json.get("link")
    ids: set[str | None] = set()
    for one in links if type(links) is list else ():
        if type(one) is dict and one.get("type") == "replaced-by":
            other = one.get("other")
            ids.add(_local_id(record, other.get("reference") if type(other) is dict else None))
    return next(iter(ids)) if len(ids) == 1 else None


def _local_id(record: Resource, reference: object) -> str | None:
    parsed = parse_reference(reference) if isinstance(reference, str) and reference else None
    if parsed is None or parsed.type != "Patient":
        return None
    own = record.location.base_url.rstrip("/")
    return parsed.id if (parsed.base or own).rstrip("/") == own else None
