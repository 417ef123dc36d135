"""NHS numbers by their check digit, tokens by their bar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.identifiers import Token, TokenInvalid, is_nhs_number, nhs_check_digit, parse_token
from clinical.syntax import escape, split_alternatives, unescape

NINE = st.from_regex(r"\A[0-9]{9}\Z")


@pytest.mark.parametrize("number", ["9434765919", "9990000018", "4010232137", "9000000009"])
def test_published_test_numbers_are_valid(number: str) -> None:
    assert is_nhs_number(number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "943476591",
        "94347659190",
        "943 476 5919",
        "9434765910",
        "943476591X",
        "٩434765919",
        "9434765919\n",
    ],
)
def test_what_is_not_ten_right_digits_is_no_nhs_number(text: str) -> None:
    assert not is_nhs_number(text)


@given(NINE)
def test_exactly_the_check_digit_makes_a_number_valid(nine: str) -> None:
    valid = [digit for digit in range(10) if is_nhs_number(f"{nine}{digit}")]
    check = nhs_check_digit(nine)
    assert valid == ([] if check is None else [check])


@given(NINE, st.integers(0, 9), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(nine: str, place: int, by: int) -> None:
    check = nhs_check_digit(nine)
    if check is not None:
        number = f"{nine}{check}"
        wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
        assert not is_nhs_number(wrong)


@given(NINE, st.integers(0, 8))
def test_two_neighbours_exchanged_are_noticed(nine: str, place: int) -> None:
    check = nhs_check_digit(nine)
    number = f"{nine}{check}"
    if check is not None and number[place] != number[place + 1]:
        assert not is_nhs_number(number[:place] + number[place + 1] + number[place] + number[place + 2 :])


@pytest.mark.parametrize("text", ["", "12345678", "1234567890", "12345678x"])
def test_a_check_digit_needs_nine_digits(text: str) -> None:
    with pytest.raises(ValueError, match="nine digits"):
        nhs_check_digit(text)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("a", Token(None, "a")),
        ("s|a", Token("s", "a")),
        ("|a", Token("", "a")),
        ("s|", Token("s", None)),
        (r"a\|b", Token(None, "a|b")),
        (r"s\\|a", Token("s\\", "a")),
        ("s|a|b", Token("s", "a|b")),
        (r"a\,b", Token(None, "a,b")),
    ],
)
def test_the_bar_divides_system_and_code(text: str, token: Token) -> None:
    assert parse_token(text) == token


@pytest.mark.parametrize("text", ["", "|"])
def test_a_token_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        parse_token(text)


@given(st.text(), st.text(min_size=1))
def test_an_escaped_token_comes_back(system: str, code: str) -> None:
    assert parse_token(f"{escape(system)}|{escape(code)}") == Token(system, code)


@given(st.lists(st.text(), min_size=1))
def test_escaped_alternatives_come_back(values: list[str]) -> None:
    joined = ",".join(escape(value) for value in values)
    assert [unescape(part) for part in split_alternatives(joined)] == values
