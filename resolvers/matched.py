"""Whether a record of a source is found by what the source is asked: seen here, by the search parameters."""

from clinical.parameters import parameters
from clinical.search import compile_search
from resolvers.plan import SourcePlan
from resolvers.resource import Resource
from resolvers.upstreams.upstream import Search


def search_at(source: SourcePlan, record: Resource) -> Search:
    """The search at the place that a record is from."""
    return next((one for one in source.searches if one.location == record.location), source.searches[0])


def matches(source: SourcePlan, record: Resource) -> bool:
    """Whether the source's filters, and what is kept of its answer, let the Patient record through."""
    if not source.searches or not all(keep(record) for keep in source.keeps):
        return False
    known = parameters("Patient")
    tests = (
        compile_search(known[one.code], one.values, one.modifier, record.location.base_url)
        for one in source.searches[0].filters
    )
    return all(test(record.json) for test in tests)
