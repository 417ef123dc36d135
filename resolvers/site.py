"""How a list is asked for whoever it is of: what is kept of a plan from request to request."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from resolvers.plan import SourcePlan
from resolvers.question import Question
from resolvers.resource import Resource
from resolvers.shape import Shape
from resolvers.upstreams.upstream import Search


class Site(msgspec.Struct):
    """A list with its one source's plan: `plan` without a search, `search` without a patient. `tells`: the
    caller asks how complete it is; `gives_rows`: and for its rows."""

    question: Question
    tells: bool
    gives_rows: bool
    plan: SourcePlan
    search: Search
    shape: Shape

    def about(self, records: Sequence[Resource]) -> SourcePlan:
        """The plan for a person who is one record of the source."""
        (record,) = records
        search = replace(self.search, location=record.location, patient=record.id)
        return replace(self.plan, searches=(search,), records=records)
