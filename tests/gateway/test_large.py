"""A large answer is encoded piece by piece to the very bytes that it has as a whole."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from clinical.codec import encode_json
from gateway.large import encode_in_turns
from resolvers.turns import Turns

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.text(),
    st.just(msgspec.Raw(b"5.10")),
    st.just(Decimal("7.0")),
)
DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(
        LEAVES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=30
    ),
)


@given(DOCUMENTS)
async def test_pieces_make_the_same_bytes(document: dict[str, Any]) -> None:
    whole = encode_json(document)
    assert await encode_in_turns(document, Turns(0.0)) == whole


async def test_what_has_been_encoded_is_let_go() -> None:
    document: dict[str, Any] = {"data": {"nodes": [{"id": "1"}, {"id": "2"}]}}
    await encode_in_turns(document, Turns())
    assert document == {"data": {"nodes": [None, None]}}


async def test_another_has_its_turn_while_a_large_answer_is_encoded() -> None:
    document = {"data": {"nodes": [{"id": str(number)} for number in range(50)]}}
    whole = encode_json(document)
    encoding = asyncio.ensure_future(encode_in_turns(document, Turns(0.0)))
    turns_of_others = 0
    while not encoding.done():
        await asyncio.sleep(0)
        turns_of_others += 1
    assert turns_of_others >= 50
    assert await encoding == whole
