"""One record of one source, wherever in that source it lies."""

from resolvers.loaders import Loaders
from resolvers.resource import Resource
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse
from resolvers.upstreams.upstream import Read, Upstream


async def find_record(loaders: Loaders, upstream: Upstream, type_: str, id_: str) -> Resource | None:
    """Reads an id at every place of the source.

    Two places with one id are told apart by nobody: that is an error, never a guess.
    Raises UpstreamError, also where a place that might have it did not answer.
    """
    if type_ not in upstream.types:
        return None
    reads = (loaders.read(upstream.name, Read(type_, id_, place)) for place in upstream.locations())
    answers = await settled(*reads)
    found = [one for one in answers if isinstance(one, Resource)]
    if len(found) > 1:
        raise UpstreamInvalidResponse(upstream.name, "two places of the source use the same id")
    for answer in answers:
        if not found and isinstance(answer, UpstreamError):
            raise answer
        if isinstance(answer, BaseException) and not isinstance(answer, UpstreamError):
            raise answer
    return found[0] if found else None
