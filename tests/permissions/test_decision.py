"""Deny by default: only the widest read scopes open the door."""

import pytest

from permissions.decision import Access, ScopeInsufficient, access
from permissions.principal import Principal
from permissions.scopes import parse_scopes


def principal(scopes: str, patient: str | None = None) -> Principal:
    return Principal("https://issuer", "client", "subject", parse_scopes(scopes), patient=patient)


@pytest.mark.parametrize(
    "scopes",
    [
        "system/*.rs",
        "user/*.rs",
        "user/*.cruds",
        "user/*.read",
        "system/*.*",
        "user/*.r user/*.s",
        "user/*.crs",
    ],
)
@pytest.mark.parametrize("patient", [None, "ehr/Patient/1"])
def test_all_reads_of_user_or_system_reach_everything(scopes: str, patient: str | None) -> None:
    assert access(principal(scopes, patient)) is Access.EVERYTHING


@pytest.mark.parametrize(
    "scopes", ["patient/*.rs", "patient/*.read", "patient/*.cruds", "patient/*.r patient/*.s"]
)
def test_all_reads_of_patient_reach_the_own_compartment(scopes: str) -> None:
    assert access(principal(scopes, "ehr/Patient/1")) is Access.OWN_COMPARTMENT


@pytest.mark.parametrize(
    ("scopes", "patient"),
    [
        ("", "ehr/Patient/1"),
        ("openid fhirUser launch/patient", "ehr/Patient/1"),
        ("patient/*.rs", None),
        ("patient/*.rs", ""),
        ("patient/*.r", "ehr/Patient/1"),
        ("user/*.s", None),
        ("user/*.write", None),
        ("system/Patient.rs", None),
        ("user/*.r system/*.s", None),  # levels do not add up
        ("user/*.rs?category=x", None),  # a narrowing nobody evaluates yet
        ("user/*.r user/*.s?category=x", None),
        ("user/*.sr", None),
    ],
)
def test_anything_else_is_refused(scopes: str, patient: str | None) -> None:
    with pytest.raises(ScopeInsufficient):
        access(principal(scopes, patient))
