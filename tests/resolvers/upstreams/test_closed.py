"""Sources that may not be asked: DENIED wherever a query leads to them, and never called."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permissions.principal import Principal
from resolvers.cache import MemoryCache
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.upstreams.closed import SourceRules, rules_of, takes_callers_token
from resolvers.upstreams.errors import UpstreamUnavailable
from resolvers.upstreams.settings import UpstreamSettings
from tests.resolvers.asking import KEY, NHS, TYPES, Asker, codes, observation, patient, permissions_of
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
TREATMENT = SourceRules(frozenset(("TREAT", "ETREAT")))
RESTRICTED = {
    "security": [{"code": "R", "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"}]
}


def sources(**of_a: Any) -> tuple[MemoryUpstream, MemoryUpstream]:
    visit = {"resourceType": "Encounter", "id": "e", "status": "planned"}
    elsewhere = {"reference": "https://b.example/fhir/Encounter/e"}
    rows = [observation("oa", "1", "2026-01-02", encounter=elsewhere)]
    a = MemoryUpstream("a", {"Patient": [patient("1", NUMBER, **of_a)], "Observation": rows})
    b = MemoryUpstream(
        "b",
        {
            "Patient": [patient("7", NUMBER)],
            "Observation": [observation("ob", "7", "2026-01-01")],
            "Encounter": [visit],
        },
    )
    return a, b


def asker(
    upstreams: tuple[MemoryUpstream, ...],
    rules: SourceRules,
    default: str | None = None,
    **principal: Any,
) -> Asker:
    """A caller of a deployment where `b` has these rules."""
    made, cache = Asker(*upstreams), MemoryCache()
    linking = Linking((NHS,), frozenset(one.name for one in upstreams), KEY)
    made.federation = Federation(
        upstreams,
        linking,
        Cursors(b"c" * 32, cache),
        cache,
        frozenset(TYPES),
        rules={"b": rules},
        purpose_default=default,
    )
    made.principal = replace(made.principal, **principal)
    return made


LIST = "sources { source status message } completeness totalCount nodes { id }"
PERSON_ID = KEY.seal(NHS, NUMBER)
DENIED = "b may not be asked for this purpose of use."


def list_of(told: Any) -> tuple[list[tuple[str, str]], str, list[str]]:
    statuses = [(one["source"], one["status"]) for one in told["sources"]]
    return statuses, told["completeness"], [one["id"] for one in told["nodes"]]


async def test_a_list_says_denied_and_gives_the_rest() -> None:
    a, b = sources()
    data = await asker((a, b), TREATMENT, purposes=("PATRQT",)).data(f"{{ observations {{ {LIST} }} }}")
    assert list_of(data["observations"]) == ([("a", "OK"), ("b", "DENIED")], "PARTIAL", ["a/Observation/oa"])
    assert data["observations"]["sources"][1]["message"] == DENIED
    assert b.calls == []


async def test_a_person_is_looked_up_in_the_other_sources_only() -> None:
    a, b = sources()
    ask = f"""{{ patient(id: "{PERSON_ID}") {{
        id records {{ id }} sources {{ source status }} observations {{ {LIST} }} }} }}"""
    told = (await asker((a, b), TREATMENT, purposes=("PATRQT",)).data(ask))["patient"]
    assert (told["id"], told["records"]) == (PERSON_ID, [{"id": "a/Patient/1"}])
    assert told["sources"] == [{"source": "a", "status": "OK"}, {"source": "b", "status": "DENIED"}]
    assert list_of(told["observations"])[0] == [("a", "OK"), ("b", "DENIED")]
    assert b.calls == []


@pytest.mark.parametrize(
    "query",
    [
        '{ node(id: "b/Observation/ob") { id } }',
        '{ observation(id: "b/Observation/ob") { id } }',
        '{ nodes(ids: ["b/Observation/ob"]) { id } }',
        '{ patient(id: "b/Patient/7") { id } }',
        '{ node(id: "b/Patient/7") { id } }',
        '{ observation(id: "a/Observation/oa") { encounter { resource { id } } } }',
        '{ observation(id: "b/Observation/unknown") { id } }',
    ],
)
async def test_no_id_and_no_reference_leads_there(query: str) -> None:
    a, b = sources()
    one = asker((a, b), TREATMENT, purposes=("PATRQT",))
    # What was told to another caller is no way around it.
    await one.federation._cache.set("link:b/7", PERSON_ID.encode(), 60)
    result = await one.run(query)
    assert codes(result.errors) == ["FORBIDDEN"], result.errors
    assert result.errors[0].original_error.source == "b"  # type: ignore[union-attr]
    assert b.calls == []


async def test_a_gap_is_an_error_where_the_client_does_not_look() -> None:
    a, b = sources()
    result = await asker((a, b), TREATMENT, purposes=("PATRQT",)).run("{ observations { nodes { id } } }")
    assert codes(result.errors) == ["FORBIDDEN"]
    assert b.calls == []


async def test_the_sources_say_that_it_is_closed() -> None:
    a, b = sources()
    data = await asker((a, b), TREATMENT, purposes=("PATRQT",)).data("{ sources { source status } }")
    assert data["sources"] == [{"source": "a", "status": "OK"}, {"source": "b", "status": "DENIED"}]


PURPOSES = st.lists(st.sampled_from(["TREAT", "ETREAT", "PATRQT", "HPAYMT", "BTG"]), max_size=3, unique=True)


@given(PURPOSES, st.none() | PURPOSES.filter(bool), st.none() | st.sampled_from(["TREAT", "PATRQT"]))
@settings(max_examples=200)
def test_a_source_is_open_for_one_of_its_purposes(
    stated: list[str], allowed: list[str] | None, default: str | None
) -> None:
    rules = SourceRules(None if allowed is None else frozenset(allowed))
    principal = Principal("i", "c", "s", (), purposes=tuple(stated))
    effective = set(stated) or ({default} - {None})
    is_open = allowed is None or bool(effective & set(allowed))
    assert (rules.refusal("b", principal, default) is None) == is_open


async def test_a_default_purpose_counts_for_callers_who_state_none() -> None:
    for default, stated, status in (
        ("TREAT", (), "OK"),
        ("PATRQT", (), "DENIED"),
        (None, (), "DENIED"),
        ("TREAT", ("PATRQT",), "DENIED"),
        ("PATRQT", ("ETREAT",), "OK"),
    ):
        one = asker(sources(), TREATMENT, default, purposes=stated)
        data = await one.data(f"{{ observations {{ {LIST} }} }}")
        assert data["observations"]["sources"][1]["status"] == status


async def test_callers_of_another_issuer_find_it_closed() -> None:
    a, b = sources()
    rules = SourceRules(trusted_issuer="https://login.test")
    data = await asker((a, b), rules).data(f"{{ observations {{ {LIST} }} }}")
    assert data["observations"]["sources"][1]["status"] == "DENIED"
    assert b.calls == []
    own = await asker((a, b), rules, issuer="https://login.test").data(f"{{ observations {{ {LIST} }} }}")
    assert own["observations"]["sources"][1]["status"] == "OK"


# ------------------------------------------------------------ restricted persons

CLOSED = SourceRules(is_closed_to_restricted=True)
OF_PERSON = f'{{ patient(id: "{PERSON_ID}") {{ observations {{ {LIST} }} }} }}'


async def listed(upstreams: tuple[MemoryUpstream, ...], rules: SourceRules) -> list[tuple[str, str]]:
    data = await asker(upstreams, rules).data(OF_PERSON)
    return list_of(data["patient"]["observations"])[0]


async def test_what_forbids_restricted_persons_is_not_asked_about_one() -> None:
    a, b = sources(meta=RESTRICTED)
    assert await listed((a, b), CLOSED) == [("a", "OK"), ("b", "DENIED")]
    assert {kind for kind, _ in b.calls} == {"identify"}


async def test_it_is_asked_about_everybody_else() -> None:
    assert await listed(sources(), CLOSED) == [("a", "OK"), ("b", "OK")]
    assert await listed(sources(meta=RESTRICTED), SourceRules()) == [("a", "OK"), ("b", "OK")]


async def test_nobody_is_taken_for_unrestricted_while_who_knows_is_away() -> None:
    a, b = sources()
    a.down = UpstreamUnavailable("a", "a could not be reached.")
    assert await listed((a, b), CLOSED) == [("a", "UNAVAILABLE"), ("b", "DENIED")]


async def test_a_source_that_does_not_know_the_person_is_not_linked_and_no_gap() -> None:
    a, _ = sources(meta=RESTRICTED)
    b = MemoryUpstream("b", {"Patient": [], "Observation": []})
    assert await listed((a, b), CLOSED) == [("a", "OK"), ("b", "NOT_LINKED")]


async def test_what_is_read_by_its_id_is_not_shown_of_a_restricted_person() -> None:
    text = """{ observation(id: "b/Observation/ob") { id } nodes(ids: ["b/Observation/ob"]) { id } }"""
    shown = await asker(sources(), CLOSED).data(text)
    assert shown == {"observation": {"id": "b/Observation/ob"}, "nodes": [{"id": "b/Observation/ob"}]}
    hidden = await asker(sources(meta=RESTRICTED), CLOSED).data(text)
    assert hidden == {"observation": None, "nodes": [None]}


async def test_it_is_not_asked_about_people_who_are_not_named() -> None:
    a, b = sources(meta=RESTRICTED)
    data = await asker((a, b), CLOSED).data(f"{{ observations {{ {LIST} }} }}")
    assert list_of(data["observations"])[0] == [("a", "OK"), ("b", "DENIED")]
    assert b.calls == []


# ------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("table", "rules"),
    [
        ({}, SourceRules()),
        ({"purposes": ["TREAT"]}, SourceRules(frozenset(("TREAT",)))),
        ({"restricted_patients": "deny"}, CLOSED),
        (
            {"credentials": {"kind": "forward", "trusted_issuer": "https://login.test"}},
            SourceRules(trusted_issuer="https://login.test"),
        ),
    ],
)
def test_the_settings_of_a_source_say_its_rules(table: dict[str, Any], rules: SourceRules) -> None:
    whole = {"name": "b", "kind": "fhir", "base_url": "https://b.test", **table}
    assert rules_of(UpstreamSettings.model_validate(whole)) == rules


@pytest.mark.parametrize(
    ("credentials", "takes"),
    [
        ({"kind": "none"}, False),
        ({"kind": "mtls"}, False),
        ({"kind": "forward", "trusted_issuer": "https://login.test"}, True),
        ({"kind": "token_exchange", "token_url": "https://login.test/token", "client_id": "us"}, True),
    ],
)
def test_the_settings_of_a_source_say_whether_it_takes_callers_tokens(
    credentials: dict[str, Any], takes: bool
) -> None:
    whole = {"name": "b", "kind": "fhir", "base_url": "https://b.test", "credentials": credentials}
    assert takes_callers_token(UpstreamSettings.model_validate(whole)) is takes


@pytest.mark.parametrize("takes", [True, False])
async def test_a_request_keeps_its_callers_token_only_where_a_source_takes_it(takes: bool) -> None:
    made, cache = asker(sources(), SourceRules()), MemoryCache()
    linking = Linking((NHS,), frozenset(), KEY)
    open_one = Federation(
        (), linking, Cursors(b"c" * 32, cache), cache, frozenset(TYPES), takes_tokens=takes
    ).open
    permissions = permissions_of(made.principal)
    context = open_one(
        made.principal, permissions, deadline_s=1.0, request_id="1", authorization="Bearer abc"
    )
    assert (context.call.token is not None) is takes
