"""Strings: names, addresses and free text (R4 search 3.1.1.4.8)."""

import re
import unicodedata
from collections.abc import Iterable

from clinical.matching.question import Question, Test
from clinical.paths import Typed
from clinical.syntax import SearchValueInvalid, unescape

# The parts of HumanName and Address in the order in which they sort; Annotation has `text` only.
_PARTS = (
    "family", "given", "prefix", "suffix",
    "line", "city", "district", "state", "postalCode", "country",
    "text",
)  # fmt: skip
# Letters that have no decomposition into a base letter and a mark.
_BASE_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_DROPPED = re.compile(r"['’ʼ`´]")
_SPACE = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """The text without case, accents, apostrophes; other punctuation and space runs as one space."""
    if not text.isascii():
        text = _base_characters(text)
    text = text.casefold()
    return _SPACE.sub(" ", _DROPPED.sub("", text)).strip()


def _base_characters(text: str) -> str:
    # Folding may compose and decomposing may yield capitals (Unicode 3.13, compatibility caseless match).
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(one for one in decomposed.translate(_BASE_LETTERS) if not unicodedata.combining(one))


def texts(value: object) -> list[str]:
    """The texts of a recorded string, HumanName, Address or Annotation."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, dict):
        return []
    return [text for part in _PARTS for text in _listed(value.get(part))]


def compile_string(question: Question) -> Test:
    """A test whether any text begins with (or is, or contains) a value. Raises SearchValueInvalid."""
    asked = tuple(unescape(value) for value in question.values)
    if question.modifier == "exact":
        return lambda found: any(text in asked for text in texts(found.value))
    wanted = tuple(folded(value) for value in asked)
    if not all(wanted):
        raise SearchValueInvalid("a text needs a letter or a digit")
    if question.modifier == "contains":
        return lambda found: any(part in text for text in _folded_texts(found) for part in wanted)
    return lambda found: any(text.startswith(wanted) for text in _folded_texts(found))


def _folded_texts(found: Typed) -> Iterable[str]:
    return map(folded, texts(found.value))


def _listed(value: object) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
