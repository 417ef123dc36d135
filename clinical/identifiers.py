"""Business identifiers: the NHS number and its check digit, and `system|code` tokens."""

import re

import msgspec

from clinical.syntax import split_bars

NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"

_NINE_DIGITS = re.compile(r"[0-9]{9}")
_ZEROS = ord("0") * sum(range(2, 11))
"""What nine characters of zero add up to, weighed as the digits of a number."""


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
    return _check_digit(nine_digits)


def is_nhs_number(text: str) -> bool:
    """Whether the text is ten digits with a right check digit (it says nothing about whose it is)."""
    is_written_so = len(text) == 10 and text.isascii() and text.isdigit()
    return is_written_so and _check_digit(text) == int(text[9])


def _check_digit(digits: str) -> int | None:
    a, b, c, d, e, f, g, h, i = digits[:9].encode()
    total = 10 * a + 9 * b + 8 * c + 7 * d + 6 * e + 5 * f + 4 * g + 3 * h + 2 * i
    check = 11 - (total - _ZEROS) % 11
    return None if check == 10 else check % 11


def parse_token(text: str) -> Token:
    """The token meant by `code`, `system|code`, `|code` or `system|`, unescaped. Raises TokenInvalid."""
    first, *rest = split_bars(text)
    token = Token(first, "|".join(rest) or None) if rest else Token(None, first or None)
    if not token.system and not token.code:
        raise TokenInvalid("a token without system and code")
    return token
