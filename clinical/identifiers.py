"""Business identifiers: the NHS number and its check digit, and `system|code` tokens."""

import re
from dataclasses import dataclass

from clinical.syntax import split_bars

NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"

_TEN_DIGITS = re.compile(r"[0-9]{10}")
_NINE_DIGITS = re.compile(r"[0-9]{9}")


class TokenInvalid(ValueError):
    """A token search value that names neither a system nor a code."""


@dataclass(frozen=True, slots=True)
class Token:
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
    total = sum(int(digit) * weight for digit, weight in zip(nine_digits, range(10, 1, -1), strict=True))
    check = 11 - total % 11
    return {10: None, 11: 0}.get(check, check)


def is_nhs_number(text: str) -> bool:
    """Whether the text is ten digits with a right check digit (it says nothing about whose it is)."""
    return _TEN_DIGITS.fullmatch(text) is not None and nhs_check_digit(text[:9]) == int(text[9])


def parse_token(text: str) -> Token:
    """The token meant by `code`, `system|code`, `|code` or `system|`, unescaped. Raises TokenInvalid."""
    first, *rest = split_bars(text)
    token = Token(first, "|".join(rest) or None) if rest else Token(None, first or None)
    if not token.system and not token.code:
        raise TokenInvalid("a token without system and code")
    return token
