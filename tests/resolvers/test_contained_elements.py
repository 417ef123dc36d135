"""Elements of contained resources, where rules show them by some levels of scopes only."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from resolvers.admission import contained_node
from resolvers.context import RequestContext
from resolvers.resource import Location, Resource
from tests.permissions.asking import PATIENT, permissions, policy, rule

CONTAINED: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "birthDate": "1980",
    "telecom": [{"value": "07700 900123"}],
}
HOLDER = Resource("ehr", Location("https://ehr.example/fhir"), "Observation", "1", {}, datetime.now(UTC))


def shown(scopes: str, needed: str) -> set[str] | None:
    """The elements of the contained Patient, where telecom needs a scope."""
    made = permissions(scopes, PATIENT, policy(rule("Patient.telecom", scopes=[[needed]])))
    context = cast(RequestContext, SimpleNamespace(permissions=made, own_found=None))
    node = contained_node(context, HOLDER.holding("Patient", "p", CONTAINED))
    return None if node is None else set(node.element)


@pytest.mark.parametrize(
    ("scopes", "needed", "is_shown"),
    [
        ("user/Patient.r", "user/Patient.r", True),
        ("user/Patient.r system/Patient.r", "user/Patient.r", True),
        ("user/Patient.r system/Patient.r", "system/Patient.r", True),
        (
            "user/Patient.r patient/Patient.r",
            "patient/Patient.r",
            False,
        ),  # whose it is has not been found out
    ],
)
def test_a_rule_takes_its_element_and_leaves_the_rest(scopes: str, needed: str, is_shown: bool) -> None:
    expected = set(CONTAINED) if is_shown else set(CONTAINED) - {"telecom"}
    assert shown(scopes, needed) == expected


def test_a_type_that_may_not_be_read_is_not_shown() -> None:
    assert shown("user/Patient.s user/Observation.rs", "user/Patient.s") is None
