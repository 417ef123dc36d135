"""What was entered in error is known by the status element of its type."""

from typing import Any

import pytest

from resolvers.hidden import hidden_filter, is_entered_in_error

ERROR = "entered-in-error"


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({"resourceType": "Observation", "status": ERROR}, "status"),
        ({"resourceType": "Goal", "lifecycleStatus": ERROR}, "lifecycle-status"),
        (
            {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": ERROR}]}},
            "verification-status",
        ),
    ],
)
def test_each_kind_of_status_hides_and_is_counted_by_its_own_parameter(
    resource: dict[str, Any], code: str
) -> None:
    assert is_entered_in_error(resource)
    found = hidden_filter(resource["resourceType"])
    assert found is not None
    assert (found.code, found.values) == (code, (ERROR,))
