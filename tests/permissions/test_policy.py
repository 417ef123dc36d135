"""The tables of policy.toml: what they take, and the sentences for what they do not."""

from typing import Any

import pytest
from pydantic import ValidationError

from permissions.policy import default_policy, policy_of
from tests.permissions.asking import rule

CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode|HIV"


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"rule": []}, "Extra inputs are not permitted"),
        ({"rules": [{"coordinates": ["Patient.telecom"]}]}, "Field required"),
        ({"rules": [rule()]}, "at least 1 item"),
        ({"rules": [rule("Patient.telecom", scope=[["a"]])]}, "Extra inputs are not permitted"),
        ({"rules": [{"coordinates": ["Patient.telecom"], "reason": ""}]}, "at least 1 character"),
        ({"rules": [rule("Patient")]}, "`Patient` is no coordinate: write Type.field"),
        ({"rules": [rule("Patient.")]}, "`Patient.` is no coordinate"),
        ({"rules": [rule(".telecom")]}, "`.telecom` is no coordinate"),
        ({"rules": [rule("Patient.t[e]lecom")]}, "is no coordinate"),
        ({"rules": [rule("Patient.telecom", scopes=[[]])]}, "an empty alternative would let everybody in"),
        ({"rules": [rule("Patient.telecom", scopes=[["user/Patient.sr"]])]}, "is no scope"),
        ({"rules": [rule("Patient.telecom", scopes=["contact"])]}, "valid tuple"),
        ({"labels": [{"codes": ["HIV"], "reason": "r"}]}, "should match pattern"),
        ({"labels": [{"codes": [], "reason": "r"}]}, "at least 1 item"),
        ({"labels": [{"codes": [CODE], "reason": "r", "clearances": [{}]}]}, "would clear everybody"),
        (
            {"labels": [{"codes": [CODE], "reason": "r", "clearances": [{"scopes": [["user/*.rs"]]}]}]},
            "a clearance is no SMART scope",
        ),
        ({"practitioners": [{"users": ["*"]}]}, "name either `organization` or `care_team`"),
        (
            {"practitioners": [{"users": ["*"], "organization": "a", "care_team": "b"}]},
            "name either `organization` or `care_team`",
        ),
        ({"practitioners": [{"users": [], "organization": "a"}]}, "at least 1 item"),
        ({"break_glass": {"purpose": ["BTG"]}}, "Extra inputs are not permitted"),
    ],
)
def test_what_a_policy_cannot_mean_is_refused(tables: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        policy_of(tables)
    assert told in str(refused.value)


def test_the_default_policy_gives_a_reason_for_each_row() -> None:
    default = default_policy()
    assert all(len(one.reason) > 10 for one in (*default.rules, *default.labels))


def test_the_default_policy_asks_for_no_more_than_scopes_mean() -> None:
    """But for the ids of records that may be somebody else's."""
    default = default_policy()
    asking = [one.coordinates for one in default.rules if one.scopes or one.purposes]
    assert asking == [("Patient.identityConflicts",)]
    assert default.break_glass.purposes == ()
    assert default.practitioners == ()


def test_the_default_policy_has_rows_for_what_a_deployment_may_tighten() -> None:
    named = {name for one in default_policy().rules for name in one.coordinates}
    details = {f"Patient.{one}" for one in ("telecom", "address", "identifier", "contact", "photo")}
    assert details | {"*.note", "Narrative.div", "*.presentedForm"} <= named


def test_a_policy_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        default_policy().rules = ()  # type: ignore[misc]
