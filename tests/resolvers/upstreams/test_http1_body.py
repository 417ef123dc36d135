"""Packed bodies come out as they went in, and never larger than the limit (RFC 9110 8.4.1)."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.upstreams.http1_body import BodyInvalid, BodyTooLarge, unpacked

LIMIT = 1_000


def bare(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


def in_members(body: bytes) -> bytes:
    return gzip.compress(body[:7]) + gzip.compress(body[7:])


PACKERS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"gzip", gzip.compress),
    (b" GZip ", gzip.compress),
    (b"x-gzip", in_members),
    (b"gzip", lambda body: gzip.compress(body) + b"\0" * 8),
    (b"deflate", zlib.compress),
    (b"deflate", bare),
    (b"identity", bytes),
    (b"", bytes),
]


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
@given(body=st.binary(max_size=LIMIT))
def test_what_was_packed_is_unpacked(coding: bytes, pack: Callable[[bytes], bytes], body: bytes) -> None:
    assert unpacked(pack(body), coding, LIMIT) == body


@pytest.mark.parametrize(("coding", "pack"), PACKERS[:6])
def test_a_body_is_not_unpacked_beyond_the_limit(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    assert len(unpacked(pack(b"x" * LIMIT), coding, LIMIT)) == LIMIT
    with pytest.raises(BodyTooLarge):
        unpacked(pack(b"x" * (LIMIT + 1)), coding, LIMIT)
    with pytest.raises(BodyTooLarge):
        unpacked(pack(b"x" * 10_000_000), coding, LIMIT)


@pytest.mark.parametrize(("coding", "pack"), PACKERS[:3] + PACKERS[4:6])
def test_a_part_of_a_body_is_none(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BodyInvalid):
        unpacked(pack(b"hello, hello, hello")[:-9], coding, LIMIT)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"gzip, gzip"])
@given(body=st.binary(min_size=1, max_size=60))
def test_what_is_not_packed_as_it_says_is_an_error(coding: bytes, body: bytes) -> None:
    try:
        assert isinstance(unpacked(body, coding, LIMIT), bytes)
    except (BodyInvalid, BodyTooLarge):
        pass


def test_an_unknown_coding_is_an_error() -> None:
    with pytest.raises(BodyInvalid):
        unpacked(b"x", b"br", LIMIT)


def test_nothing_is_nothing_however_it_is_packed() -> None:
    assert unpacked(b"", b"gzip", LIMIT) == b""
