"""Tokens: codes, identifiers, booleans, contact points (R4 search 3.1.1.4.10).

Codes of a Coding compare without regard to case, as the specification asks servers to do when in
doubt; identifiers, ids and plain codes compare exactly, since there the case may tell two things apart.
"""

from clinical.identifiers import Token, TokenInvalid, parse_token
from clinical.matching.question import Question, Test
from clinical.matching.string import folded
from clinical.paths import Typed
from clinical.syntax import SearchValueInvalid, unescape

_CONTACT_SYSTEMS = frozenset(("phone", "fax", "email", "pager", "url", "sms", "other"))
_CONTACT_PUNCTUATION = str.maketrans("", "", " ()-.")
# The system of a plain code is the one its value set draws from; the record does not repeat it.
_IMPLICIT_SYSTEMS = ("http://hl7.org/fhir/", "http://terminology.hl7.org/", "urn:ietf:bcp:", "urn:ietf:rfc:")


def compile_token(question: Question) -> Test:
    """A test whether a recorded value is one of the tokens asked for. Raises SearchValueInvalid."""
    if question.modifier == "text":
        return _compile_text(question)
    return Tokens(tuple(_token(value) for value in question.values)).hold


def first_code(value: object) -> str | None:
    """The code by which a token sorts: that of its first coding, its value, or itself."""
    if isinstance(value, dict):
        codings = _codings(value) or [value]
        return _text(codings[0].get("code")) or _text(codings[0].get("value")) or _text(value.get("text"))
    return _plain(value)


class Tokens:
    """A set of tokens to look for, indexed so that many alternatives cost no more than one."""

    __slots__ = ("_codes", "_contacts", "_folded", "_plain", "_systems")

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        pairs = [(token.system, token.code) for token in tokens if token.code is not None]
        self._codes = frozenset(pairs)
        self._folded = frozenset((system, code.casefold()) for system, code in pairs)
        self._systems = frozenset(token.system for token in tokens if token.code is None)
        self._plain = frozenset(code for system, code in pairs if _may_be_implicit(system))
        self._contacts = frozenset((system, _contact(code)) for system, code in pairs)

    def hold(self, found: Typed) -> bool:
        value = found.value
        if not isinstance(value, dict):
            return _plain(value) in self._plain
        if "coding" in value:
            return any(self._holds_coding(coding) for coding in _codings(value))
        if "value" in value:
            return self.holds_identifier(value)
        return self._holds_coding(value)

    def holds_identifier(self, identifier: object) -> bool:
        if not isinstance(identifier, dict):
            return False
        system, code = _text(identifier.get("system")), _plain(identifier.get("value"))
        if system in _CONTACT_SYSTEMS and code is not None:
            contact = _contact(code)
            return any((asked, contact) in self._contacts for asked in (None, "", system))
        return self._holds(self._codes, system, code)

    def _holds_coding(self, coding: dict[str, object]) -> bool:
        code = _plain(coding.get("code"))
        return self._holds(self._folded, _text(coding.get("system")), code and code.casefold())

    def _holds(self, pairs: frozenset[tuple[str | None, str]], system: str | None, code: str | None) -> bool:
        if code and ((None, code) in pairs or (system or "", code) in pairs):
            return True
        return bool(system) and system in self._systems


def _token(value: str) -> Token:
    try:
        return parse_token(value)
    except TokenInvalid as problem:
        raise SearchValueInvalid("a token needs a code, or a system and a bar") from problem


def _compile_text(question: Question) -> Test:
    wanted = tuple(folded(unescape(value)) for value in question.values)
    if not all(wanted):
        raise SearchValueInvalid("an empty text")
    return lambda found: any(folded(text).startswith(wanted) for text in _displays(found.value))


def _displays(value: object) -> list[str]:
    if not isinstance(value, dict):
        return []
    kind = value.get("type")
    texts = [value.get("text"), value.get("display"), kind.get("text") if isinstance(kind, dict) else None]
    texts += [coding.get("display") for coding in _codings(value)]
    return [text for text in texts if isinstance(text, str)]


def _codings(value: dict[str, object]) -> list[dict[str, object]]:
    codings = value.get("coding")
    listed = codings if isinstance(codings, list) else [codings]
    return [coding for coding in listed if isinstance(coding, dict)]


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _may_be_implicit(system: str | None) -> bool:
    return not system or system.startswith(_IMPLICIT_SYSTEMS)


def _contact(value: str) -> str:
    """An address compares without case, a telephone number also without its punctuation."""
    return value.casefold() if "@" in value else value.casefold().translate(_CONTACT_PUNCTUATION)
