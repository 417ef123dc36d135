"""Business identifiers: the NHS number and its check digit, and `system|code` tokens."""

import re
from collections.abc import Sequence
from itertools import accumulate

import msgspec

from clinical.syntax import split_bars

NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"

_NINE_DIGITS = re.compile(r"[0-9]{9}")
_TEN_DIGITS = re.compile(r"[0-9]{10}").fullmatch
_ZEROS = ord("0") * sum(range(1, 11)) % 11
"""What ten characters of zero add up to, weighed as the digits of a number, modulo 11."""


class TokenInvalid(ValueError):
    """A token search value that names neither a system nor a code."""


class Token(msgspec.Struct, frozen=True, cache_hash=True):
    """A token asked for (R4 search 3.1.1.4.10).

    `system` None: any system; empty: only values without a system. `code` None: any code of the system.
    """

    system: str | None
    code: str | None


def nhs_check_digit(nine_digits: str) -> int | None:
    """The modulus 11 check digit for the first nine digits; None where no valid number begins so.

    NHS Data Dictionary, NHS NUMBER. Raises ValueError for anything but nine digits.
    """
    if _NINE_DIGITS.fullmatch(nine_digits) is None:
        raise ValueError("an NHS number begins with nine digits")
    return next((digit for digit in range(10) if is_nhs_number(f"{nine_digits}{digit}")), None)


def is_nhs_number(text: str) -> bool:
    """Whether the text is ten digits with a right check digit (it says nothing about whose it is).

    With the check digit, whose weight is 1, the weighed digits add up to a multiple of 11.
    """
    # The sums of the first digit, of the first two and so on add up to the weighed digits.
    return _TEN_DIGITS(text) is not None and sum(accumulate(text.encode())) % 11 == _ZEROS


def are_nhs_numbers(texts: Sequence[str]) -> bool:
    """Whether each of some texts is ten digits with a right check digit, as `is_nhs_number` has it."""
    whole = "".join(texts)
    if not (whole.isascii() and whole.isdigit()):
        return False
    for one in texts:  # noqa: SIM110  a generator is one more function in each request
        if len(one) != 10 or sum(accumulate(one.encode())) % 11 != _ZEROS:
            return False
    return True


def parse_token(text: str) -> Token:
    """The token meant by `code`, `system|code`, `|code` or `system|`, unescaped. Raises TokenInvalid."""
    first, *rest = split_bars(text)
    token = Token(first, "|".join(rest) or None) if rest else Token(None, first or None)
    if not token.system and not token.code:
        raise TokenInvalid("a token without system and code")
    return token
