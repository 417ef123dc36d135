"""What an operation has cost: by the same weights, from what it was really given.

Of a list: `SEARCH` for each source that was searched, and its rows as they came; of its count the same
without rows. Of a resource that is looked up: its weight when it is asked for, and what is selected of it
where it was found, by the type it was of. All else of a row counts as estimated: objects are not looked for
one by one, and the entries of a list without `@listSize` count as one, as the dearest of them. So the actual
cost is never above the estimate for the same variables and denied coordinates.
"""

from collections.abc import Mapping
from typing import Any

from gateway.cost.analysis import Analysis
from gateway.cost.estimate import NONE
from resolvers.tally import Tally


def actual(
    analysis: Analysis, variables: Mapping[str, Any], tally: Tally, denied: frozenset[str] = NONE
) -> int:
    """What an operation has cost that has been executed with these variables, 0 to `COST_MAX`.

    An operation of which nothing was executed cost nothing: for it this is not asked.
    """
    _, tariff = analysis.priced(denied)
    return tariff.of(tally, analysis.values(variables))
