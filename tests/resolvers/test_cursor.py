"""A cursor opens for what it was sealed for, and for nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.cache import MemoryCache
from resolvers.cursor import Cursors, Position
from resolvers.errors import CursorInvalid

KEY = b"k" * 32
PLACE = Position(["2020-01-01T00:00:00+00:00"], "ehr", "1", {"s": "mark"})


def cursors(ttl_s: float = 60) -> Cursors:
    return Cursors(KEY, MemoryCache(), ttl_s)


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=3),
    st.text(max_size=20),
    st.binary(max_size=8),
)
def test_what_is_sealed_opens_again(key: list[str | None], id_: str, bound_to: bytes) -> None:
    position = Position(key, "ehr", id_, {"a": "x"})
    assert cursors().open(cursors().seal(position, bound_to), bound_to) == position


def test_a_forged_cursor_is_refused() -> None:
    text = cursors().seal(PLACE, b"list")
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for index in range(len(sealed)):
        forged = bytearray(sealed)
        forged[index] ^= 1
        with pytest.raises(CursorInvalid):
            cursors().open(base64.urlsafe_b64encode(forged).decode().rstrip("="), b"list")


@pytest.mark.parametrize("text", ["", "a", "%%%", "A" * 2000, "é"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        cursors().open(text, b"list")


def test_a_cursor_of_another_list_or_key_is_refused() -> None:
    text = cursors().seal(PLACE, b"list")
    with pytest.raises(CursorInvalid):
        cursors().open(text, b"other")
    with pytest.raises(CursorInvalid):
        Cursors(b"x" * 32, MemoryCache()).open(text, b"list")


def test_an_expired_cursor_is_refused_with_the_reason() -> None:
    with pytest.raises(CursorInvalid, match="expired"):
        cursors().open(cursors(ttl_s=-10).seal(PLACE, b"list"), b"list")


async def test_a_long_page_mark_is_kept_under_a_short_name_and_may_be_lost() -> None:
    kept = cursors()
    long = "https://ehr.example/fhir?_getpages=" + "x" * 3000
    name = await kept.shorten(long)
    assert len(name) < 40
    assert await kept.lengthen(name) == long
    assert await cursors().lengthen(name) is None
    assert await kept.lengthen(await kept.shorten("12")) == "12"


async def test_a_long_sort_key_is_kept_under_a_short_name_and_its_loss_is_told() -> None:
    kept = cursors()
    key = ["@short", "x" * 5000, None, "2020-01-01T00:00:00+00:00"]
    packed = await kept.pack_key(key)
    assert len(str(packed)) < 200
    assert await kept.unpack_key(packed) == key
    with pytest.raises(CursorInvalid, match="expired"):
        await cursors().unpack_key(packed)
