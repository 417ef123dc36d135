"""Limits of a document: counted through fragments, before validation, however the document is built."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, get_introspection_query, parse, print_ast
from hypothesis import given
from hypothesis import strategies as st

from gateway.document_errors import DocumentInvalid, DocumentLimitExceeded
from gateway.document_limits import Extent, LimitSettings, check_operation, check_text, measure
from gateway.prepare import Preparation
from tests.gateway.front_door import SCHEMA, FrontDoor, code_of

LIMITS = LimitSettings()


def extent(text: str) -> Extent:
    document = parse(text)
    (operation,) = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return measure(document, operation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a }", Extent(depth=1, fields=1, root_fields=1)),
        ("{ a { b { c } } d }", Extent(depth=3, fields=4, root_fields=2)),
        ("{ x: a { y: b } }", Extent(depth=2, fields=2, root_fields=1, aliases=2)),
        ("{ a @skip(if: true) ... @include(if: true) { b } }", Extent(1, 2, 2, 0, 2)),
        ("query ($v: Int @d) @e { a }", Extent(depth=1, fields=1, root_fields=1, directives=2)),
        ("{ ...F ...F } fragment F on Q { x: a { b } }", Extent(2, 4, 2, 2, 0)),
        ("{ ...F @d } fragment F on Q @e { a }", Extent(1, 1, 1, 0, 2)),
        ("{ ... on Q { ... { a } } }", Extent(depth=1, fields=1, root_fields=1)),
        ("{ ...Unknown a }", Extent(depth=1, fields=1, root_fields=1)),
    ],
)
def test_extent_counts_through_fragments(text: str, expected: Extent) -> None:
    assert extent(text) == expected


def nested(depth: int) -> str:
    return "{ thing " + "{ inner " * (depth - 2) + "{ id }" + " }" * (depth - 1)


def nested_by_fragments(depth: int) -> str:
    spreads = "".join(f"fragment F{n} on Thing {{ inner {{ ...F{n + 1} }} }} " for n in range(depth - 2))
    return f"{{ thing {{ ...F0 }} }} {spreads} fragment F{depth - 2} on Thing {{ id }}"


@pytest.mark.parametrize(
    ("limits", "just", "over"),
    [
        ({"max_characters": 20}, "{ hello }" + " " * 11, "{ hello }" + " " * 12),
        ({"max_tokens": 5}, "{ hello } # a comment counts as none", "{ a: hello b: hello }"),
        ({"max_depth": 5}, nested(5), nested(6)),
        ({"max_depth": 5}, nested_by_fragments(5), nested_by_fragments(6)),
        ({"max_aliases": 1}, "{ a: hello }", "{ a: hello b: hello }"),
        (
            {"max_directives": 1},
            "{ hello @skip(if: false) }",
            "{ hello @skip(if: false) @include(if: true) }",
        ),
        ({"max_root_fields": 2}, "{ hello thing { id } }", "{ hello thing { id } ...{ a: hello } }"),
        ({"max_fields": 3}, "{ thing { id name } }", "{ hello thing { id name } }"),
    ],
)
async def test_each_limit_is_reached_and_not_passed(limits: dict[str, Any], just: str, over: str) -> None:
    door = FrontDoor(LimitSettings(**limits))
    assert "errors" not in (await door.ask(just)).json()
    ran = door.executor.ran
    response = await door.ask(over)
    assert (response.status_code, code_of(response)) == (400, "DOCUMENT_LIMIT_EXCEEDED")
    assert door.executor.ran == ran  # refused before anything is executed


async def test_variables_have_a_limit_of_their_own(door: FrontDoor) -> None:
    door = FrontDoor(LimitSettings(max_variables_bytes=50))
    response = await door.ask("query ($t: String) { echo(text: $t) }", variables={"t": "x" * 60})
    assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")


def doubling(levels: int) -> str:
    """Each fragment spreads the next one twice: 2^levels leaves from a few lines."""
    fragments = (
        f"fragment F{n} on Thing {{ a: inner {{ ...F{n + 1} }} b: inner {{ ...F{n + 1} }} }}"
        for n in range(levels)
    )
    return "{ thing { ...F0 } } " + " ".join(fragments) + f" fragment F{levels} on Thing {{ id }}"


@pytest.mark.parametrize("levels", [16, 64, 500])
def test_fragments_that_double_are_counted_and_never_walked(
    levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = 0
    beside = Extent.beside

    def counted(self: Extent, other: Extent) -> Extent:
        nonlocal added
        added += 1
        return beside(self, other)

    monkeypatch.setattr(Extent, "beside", counted)
    if levels < 300:
        assert extent(doubling(levels)).fields > 2**levels
    else:  # a chain of fragments longer than the interpreter's stack
        with pytest.raises(DocumentLimitExceeded):
            extent(doubling(levels))
    assert added < 20 * levels


async def test_fragments_that_double_are_refused_at_the_door() -> None:
    limits = LimitSettings(max_aliases=10**9, max_depth=100)
    door = FrontDoor(limits)
    response = await door.ask(doubling(16))
    assert code_of(response) == "DOCUMENT_LIMIT_EXCEEDED"
    assert code_of(await FrontDoor().ask(doubling(16))) == "DOCUMENT_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "text",
    [
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
        "{ thing { ...F } } fragment F on Thing { inner { ...F } }",
    ],
)
async def test_fragments_that_spread_themselves_are_invalid(door: FrontDoor, text: str) -> None:
    with pytest.raises(DocumentInvalid):
        extent(text)
    response = await door.ask(text)
    assert (response.status_code, code_of(response)) == (400, "GRAPHQL_VALIDATION_FAILED")


def test_the_usual_introspection_query_fits_the_default_limits() -> None:
    query = get_introspection_query(descriptions=True, specified_by_url=True, input_value_deprecation=True)
    check_text(query, LIMITS)
    document = parse(query)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    check_operation(document, operation, LIMITS)
    assert Preparation(SCHEMA, LIMITS).prepare(query, None, "").introspects


leaf = st.sampled_from(["a", "x: a", "a @d", "...F", "... { a }"])
selections = st.recursive(
    leaf, lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda them: f"f {{ {' '.join(them)} }}")
)


@given(st.lists(selections, min_size=1, max_size=4), st.lists(leaf.filter(lambda s: s != "...F"), min_size=1))
def test_extent_is_that_of_the_document_with_its_fragments_written_out(
    selected: list[str], in_fragment: list[str]
) -> None:
    with_fragment = f"{{ {' '.join(selected)} }} fragment F on Q {{ {' '.join(in_fragment)} }}"
    written_out = f"{{ {' '.join(selected)} }}".replace("...F", f"... {{ {' '.join(in_fragment)} }}")
    assert extent(with_fragment) == extent(print_ast(parse(written_out)))
