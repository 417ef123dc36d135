"""Principals and policies for tests, written as tokens and policy.toml have them."""

from typing import Any

from permissions.coordinates import Coordinate, Reads
from permissions.decision import Decisions, Permissions
from permissions.policy import Policy, policy_of
from permissions.principal import Principal
from permissions.rules import Rules
from permissions.scopes import other_words, parse_scopes

PATIENT = "ehr/Patient/1"
COORDINATES = (
    Coordinate("Query", "observations", reads=Reads("s", "Observation"), is_fetched=True),
    Coordinate("Query", "observation", reads=Reads("r", "Observation"), is_fetched=True),
    Coordinate("Patient", "id", "Patient", may_be_null=False),
    Coordinate("Patient", "telecom", "Patient", is_element=True),
    Coordinate("Patient", "birthDate", "Patient", is_element=True),
    Coordinate("Patient", "_birthDate", "Patient", is_element=True),
    Coordinate("Patient", "observations", "Patient", Reads("s", "Observation"), is_fetched=True),
    Coordinate("Observation", "note", "Observation", is_element=True),
    Coordinate("ContactPoint", "value", is_element=True),
)


def principal(scopes: str, patient: str | None = None, **more: Any) -> Principal:
    """A caller whose token has these words for its scope."""
    facts = {"words": other_words(scopes), "patient": patient, **more}
    return Principal("https://issuer", "client", "subject", parse_scopes(scopes), **facts)


def rule(*coordinates: str, **needs: Any) -> dict[str, Any]:
    """A row of the policy's rules."""
    return {"coordinates": list(coordinates), "reason": "a test", **needs}


def policy(*rules: dict[str, Any], **tables: Any) -> Policy:
    """A policy of these rules and tables."""
    return policy_of({"rules": list(rules), **tables})


def permissions(
    scopes: str,
    patient: str | None = None,
    under: Policy | None = None,
    *,
    measures: bool = False,
    **more: Any,
) -> Permissions:
    """What such a token permits under a policy."""
    rules = Rules(under or Policy(), COORDINATES)
    return Decisions(rules, measures=measures).of(principal(scopes, patient, **more))
