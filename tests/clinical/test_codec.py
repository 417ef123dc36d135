"""No recorded digit is lost on the way through JSON."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.codec import DecimalInvalid, JsonInvalid, as_decimal, decode_json, digits, encode_json

FRACTIONS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}([eE][+-]?[0-9]{1,2})?\Z")


@given(FRACTIONS)
def test_a_number_comes_back_with_the_digits_it_had(text: str) -> None:
    value = decode_json(b'{"value":' + text.encode() + b"}")
    assert digits(value["value"]) == text
    assert as_decimal(value["value"]) == Decimal(text)
    assert encode_json(value) == b'{"value":' + text.encode() + b"}"


@pytest.mark.parametrize(
    "text", ["5.10", "7.0", "0.0", "-0.0", "1e3", "1.20E-7", "123456789.123456789123456789"]
)
def test_trailing_zeros_and_exponents_stay(text: str) -> None:
    assert encode_json(decode_json(text.encode())) == text.encode()


@given(st.integers())
def test_integers_of_any_size_stay(number: int) -> None:
    assert decode_json(encode_json(number)) == number
    assert digits(number) == str(number)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_decimal_is_written_with_all_its_digits(number: Decimal) -> None:
    assert as_decimal(decode_json(encode_json(number))).as_tuple() == number.as_tuple() or number == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (msgspec.Raw(b"5.10"), "5.10"),
        (Decimal("5.10"), "5.10"),
        ("5.10", "5.10"),
        (5, "5"),
        (5.1, "5.1"),
    ],
)
def test_digits_of_every_form_a_number_has(value: object, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "5,1",
        "NaN",
        "0x5",
        "05",
        " 5",
        "٥",
        float("nan"),
        Decimal("Infinity"),
        {},
        [1],
        "1" * 1001,
        "1e9999999",
        msgspec.Raw(b'"5"'),
        msgspec.Raw(b""),
    ],
    ids=repr,
)
def test_what_is_no_decimal_is_refused(value: object) -> None:
    with pytest.raises(DecimalInvalid):
        as_decimal(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"<html>", b"NaN", b"[1,]", b'{"a":1}x', b'"\xff"', b"[" * 100_000, b"'a'", b"01"],
    ids=lambda data: repr(data[:10]),
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(JsonInvalid):
        decode_json(data)


def test_a_byte_order_mark_is_read_over() -> None:
    assert decode_json(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_every_other_value_comes_back(value: Any) -> None:
    assert decode_json(encode_json(value)) == value
