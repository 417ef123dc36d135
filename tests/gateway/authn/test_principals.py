"""Which claim says what: the issuer's own table decides, and an odd value is a refused token."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.identifiers import nhs_check_digit
from gateway.authn.authenticator import Credentials, TokenInvalid
from gateway.authn.bearer import BearerAuthenticator
from gateway.authn.principals import purposes_of
from permissions.principal import Principal
from tests.gateway.issuing import AuthorizationServer, ec_key

SERVER = AuthorizationServer(ec_key("k1"))
NUMBER = "9990000018"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


async def principals(names: dict[str, Any], **claims: Any) -> list[Principal]:
    """What a JWT and an introspected token with these claims become."""
    signing = SERVER.authenticator(claims=names)
    asked = BearerAuthenticator([SERVER.opaque_issuer(claims=names)])
    shown = ((signing, SERVER.token(**claims)), (asked, SERVER.give("t1", **claims)))
    return [await one.authenticate(Credentials(f"Bearer {token}")) for one, token in shown]


async def refused(names: dict[str, Any], **claims: Any) -> None:
    for authenticator, token in (
        (SERVER.authenticator(claims=names), SERVER.token(**claims)),
        (BearerAuthenticator([SERVER.opaque_issuer(claims=names)]), SERVER.give("t1", **claims)),
    ):
        with pytest.raises(TokenInvalid):
            await authenticator.authenticate(Credentials(f"Bearer {token}"))


async def test_launch_context_of_smart_is_read_without_settings() -> None:
    claims = {
        "patient": "ehr/Patient/1",
        "fhirUser": "Practitioner/2",
        "encounter": "Encounter/3",
        "need_patient_banner": True,
        "act": {"sub": "somebody-else", "act": {"sub": "before"}},
    }
    for principal in await principals({}, **claims):
        assert (principal.patient, principal.fhir_user) == ("ehr/Patient/1", "Practitioner/2")
        assert (principal.encounter, principal.need_patient_banner) == ("Encounter/3", True)
        assert principal.actor == "somebody-else"  # RFC 8693 section 4.1: the outermost acts now


async def test_claims_that_have_no_agreed_name_count_only_where_they_are_named() -> None:
    claims = {"nhs_number": NUMBER, "purposes": "TREAT", "organization": "A81001", "care_team": "CareTeam/1"}
    for principal in await principals({}, **claims):
        assert principal.patient_identifier is None
        assert (principal.purposes, principal.organization, principal.care_team) == ((), None, None)
    for principal in await principals({name: name for name in claims}, **claims):
        assert principal.patient_identifier == f"https://fhir.nhs.uk/Id/nhs-number|{NUMBER}"
        assert (principal.purposes, principal.organization) == (("TREAT",), "A81001")
        assert principal.care_team == "CareTeam/1"


async def test_names_may_be_paths_into_nested_claims_or_hold_dots_themselves() -> None:
    names = {
        "patient": "launch.context.patient",
        "encounter": "https://app.test/encounter",
        "scope": "permissions.scope",
        "fhir_user": "user.fhir.reference",
    }
    claims = {
        "launch": {"context": {"patient": "1"}},
        "https://app.test/encounter": "e1",
        "permissions": {"scope": "launch patient/Observation.rs"},
        "user": {"fhir": "no object"},
        "patient": "another",
    }
    for principal in await principals(names, **claims):
        assert (principal.patient, principal.encounter, principal.fhir_user) == ("1", "e1", None)
        assert [str(scope) for scope in principal.scopes] == ["patient/Observation.rs"]
        assert principal.words == {"launch"}


async def test_patient_and_nhs_number_are_both_kept_for_whoever_looks_the_person_up() -> None:
    for principal in await principals({"nhs_number": "nhs_number"}, patient="1", nhs_number=NUMBER):
        assert principal.patient == "1"
        assert principal.patient_identifier == f"https://fhir.nhs.uk/Id/nhs-number|{NUMBER}"


@pytest.mark.parametrize(
    "number",
    ["9990000019", "999000001", "99900000180", "999 000 0018", "x990000018", 9990000018, ["9990000018"]],
)
async def test_nhs_number_that_is_none_is_a_refused_token(number: Any) -> None:
    await refused({"nhs_number": "nhs_number"}, nhs_number=number)


@given(st.from_regex(r"[0-9]{9}", fullmatch=True), st.integers(0, 9))
async def test_nhs_number_counts_exactly_with_its_own_check_digit(digits: str, last: int) -> None:
    names = {"nhs_number": "nhs_number"}
    if nhs_check_digit(digits) == last:
        for principal in await principals(names, nhs_number=f"{digits}{last}"):
            assert principal.patient_identifier == f"https://fhir.nhs.uk/Id/nhs-number|{digits}{last}"
    else:
        await refused(names, nhs_number=f"{digits}{last}")


@pytest.mark.parametrize(
    "claims",
    [
        {"encounter": 5},
        {"need_patient_banner": "yes"},
        {"need_patient_banner": 1},
        {"need_patient_banner": ["true"]},
        {"act": {"sub": ["x"]}},
        {"purposes": 5},
        {"purposes": [["TREAT"]]},
        {"purposes": {"system": ACT_REASON}},
        {"purposes": [{"system": 5, "code": "TREAT"}]},
        {"organization": {"id": "A81001"}},
    ],
)
async def test_odd_value_is_a_refused_token(claims: dict[str, Any]) -> None:
    await refused({"purposes": "purposes", "organization": "organization"}, **claims)


@pytest.mark.parametrize(
    ("value", "purposes"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("TREAT", ("TREAT",)),
        ("TREAT HPAYMT", ("TREAT", "HPAYMT")),
        (["TREAT", "TREAT", "ETREAT"], ("TREAT", "ETREAT")),
        (f"{ACT_REASON}|TREAT", ("TREAT",)),
        (["http://hl7.org/fhir/v3/ActReason|BTG", "urn:oid:2.16.840.1.113883.5.8|PATRQT"], ("BTG", "PATRQT")),
        ({"system": ACT_REASON, "code": "TREAT"}, ("TREAT",)),
        ([{"system": "urn:oid:2.16.840.1.113883.5.8", "code": "TREAT"}], ("TREAT",)),
        ("https://other.test|BTG", ()),  # another system's BTG may mean anything
        ([{"system": "https://other.test", "code": "BTG"}], ()),
        (["treat", "TR3AT", "|TREAT", "T"], ("TREAT",)),
    ],
)
def test_purposes_are_codes_of_v3_purpose_of_use(value: Any, purposes: tuple[str, ...]) -> None:
    assert purposes_of(value) == purposes


async def test_words_are_what_is_no_resource_scope() -> None:
    narrowed = "patient/Observation.rs?category=laboratory"
    scope = f"openid  user/*.sr launch/patient user/*.rs fhirUser {narrowed} research"
    for principal in await principals({}, scope=scope):
        assert principal.words == {"openid", "launch/patient", "fhirUser", "research"}
        assert len(principal.scopes) == 2


@pytest.mark.parametrize(
    ("claims", "is_enough"),
    [
        ({"identity_proofing_level": "P9"}, True),
        ({"identity_proofing_level": ["P5", "P9"]}, True),
        ({"identity_proofing_level": "P5"}, False),
        ({"identity_proofing_level": "P9 "}, False),
        ({"identity_proofing_level": 9}, False),
        ({"identity_proofing_level": {"P9": True}}, False),
        ({}, False),
    ],
)
async def test_token_must_have_the_claims_that_the_settings_require(
    claims: dict[str, Any], is_enough: bool
) -> None:
    names = {"required": {"identity_proofing_level": "P9"}}
    if is_enough:
        assert len(await principals(names, **claims)) == 2
    else:
        await refused(names, **claims)


@pytest.mark.parametrize(("value", "is_enough"), [(True, True), (1, False), ("true", False), (False, False)])
async def test_required_claim_may_be_a_boolean(value: Any, is_enough: bool) -> None:
    names = {"required": {"verified": True}}
    if is_enough:
        assert len(await principals(names, verified=value)) == 2
    else:
        await refused(names, verified=value)


async def test_another_client_than_the_accepted_ones_is_refused() -> None:
    authenticator = SERVER.authenticator(clients=("portal",))
    assert await authenticator.authenticate(Credentials(f"Bearer {SERVER.token(client_id='portal')}"))
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(Credentials(f"Bearer {SERVER.token()}"))
