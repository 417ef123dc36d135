"""Records that state the same: the short test for one group says what grouping them says."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token
from resolvers.grouping import Grouper
from resolvers.linking import Statement
from resolvers.resource import Location, Resource

PLACE = Location("https://a.invalid")
TOKEN = Token(NHS_NUMBER_SYSTEM, "9990000018")
AGREE_ON = ("birthDate", "gender", "family")

people = st.fixed_dictionaries(
    {},
    optional={
        "birthDate": st.sampled_from(["1980", "1980-05", "1980-05-03", "1981-05-03", "soon", ""]),
        "gender": st.sampled_from(["female", "male", "unknown"]),
        "name": st.sampled_from([[{"family": "Smith"}], [{"family": "Smith"}, {"family": "Jones"}], [], "x"]),
    },
)


@given(st.lists(people, min_size=1, max_size=4), st.sets(st.sampled_from(AGREE_ON)))
def test_records_are_one_where_grouping_makes_one_group_of_them_all(
    drawn: list[dict[str, Any]], agree_on: set[Any]
) -> None:
    now = datetime.now(UTC)
    records = [Resource("a", PLACE, "Patient", str(at), one, now) for at, one in enumerate(drawn)]
    grouper = Grouper((NHS_NUMBER_SYSTEM,), tuple(agree_on))
    grouping = grouper.grouped({one: Statement((TOKEN,)) for one in records})
    assert grouper.are_one(records) == (not grouping.loners)
    assert not grouper.are_one(records) or grouping.groups[TOKEN].records == records
