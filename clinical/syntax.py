"""The syntax of FHIR search values: escapes, alternatives, prefixes (R4 search 3.1.1.4.4, 3.1.1.5.3)."""

import re

PREFIXES = frozenset(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"))

_RESERVED = re.compile(r"([\\,|$])")
_ESCAPED = re.compile(r"\\([\\,|$])")
_COMMA = re.compile(r"(?<!\\)(?:\\\\)*,")
_BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")


class SearchValueInvalid(ValueError):
    """A search value or modifier that the parameter cannot take. The message is safe to show."""


def escape(text: str) -> str:
    r"""The text with `\`, `,`, `|` and `$` escaped, to be put into a search value."""
    return _RESERVED.sub(r"\\\1", text)


def unescape(text: str) -> str:
    """The text that `escape` began with."""
    return _ESCAPED.sub(r"\1", text)


def split_alternatives(text: str) -> list[str]:
    """The values between unescaped commas, any of which may match; their escapes stay."""
    return _split(text, _COMMA)


def split_bars(text: str) -> list[str]:
    """The parts between unescaped bars, unescaped."""
    return [unescape(part) for part in _split(text, _BAR)]


def split_prefix(text: str) -> tuple[str, str]:
    """The comparison prefix (`eq` where none is given) and the value after it."""
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    found: list[str] = []
    while here := separator.search(text):
        found.append(text[: here.end() - 1])
        text = text[here.end() :]
    return [*found, text]
