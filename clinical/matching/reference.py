"""References: to a resource by type and id, by address, or by business identifier (R4 search 3.1.1.4.12)."""

from clinical.identifiers import TokenInvalid, parse_token
from clinical.matching.question import Question, Test
from clinical.matching.token import Tokens
from clinical.paths import Typed
from clinical.references import ParsedReference, is_resource_id, parse_reference, reference_text
from clinical.syntax import SearchValueInvalid, unescape

_ANY = "Any"


def compile_reference(question: Question) -> Test:
    """A test whether a recorded reference points to one of the resources asked for.

    A relative and an absolute reference are the same only under the source's own base URL: elsewhere
    an equal id is another person's. A version counts only where it is asked for.
    Raises SearchValueInvalid.
    """
    if question.modifier == "identifier":
        return _compile_identifier(question)
    return _Targets(question).hold


class _Targets:
    """The resources asked for, as sets of what a recorded reference may say."""

    __slots__ = ("_base_url", "_ids", "_resources", "_texts", "_types", "_versions")

    def __init__(self, question: Question) -> None:
        values = [_full(unescape(value), question.modifier) for value in question.values]
        parsed = [parse_reference(value) for value in values]
        self._base_url = question.base_url.rstrip("/") if question.base_url else None
        self._types = frozenset() if _ANY in question.parameter.targets else question.parameter.targets
        self._ids = frozenset(value for value in values if is_resource_id(value))
        self._texts = frozenset(value for value in values if not value.startswith("#"))
        self._resources = frozenset(self._key(one) for one in parsed if one.local and not one.version)
        self._versions = frozenset((*self._key(one), one.version) for one in parsed if one.version)

    def hold(self, found: Typed) -> bool:
        text = _recorded_text(found.value)
        if text is None:
            return False
        reference = parse_reference(text)
        if reference.local is None:
            return text in self._texts or text.partition("|")[0] in self._texts
        key = self._key(reference)
        if key in self._resources or (reference.version and (*key, reference.version) in self._versions):
            return True
        return key[0] is None and reference.id in self._ids and self._may_target(reference)

    def _key(self, reference: ParsedReference) -> tuple[str | None, str | None]:
        base = None if reference.base == self._base_url else reference.base
        return base, reference.local

    def _may_target(self, reference: ParsedReference) -> bool:
        return not self._types or reference.type in self._types


def _full(value: str, modifier: str | None) -> str:
    """The reference meant by a value; with a type as modifier (`subject:Patient=1`) the value is an id."""
    if not value:
        raise SearchValueInvalid("an empty reference")
    return f"{modifier}/{value}" if modifier and is_resource_id(value) else value


def _recorded_text(value: object) -> str | None:
    if isinstance(value, dict) and "resourceType" in value:  # an entry of a Bundle stands for itself
        return f"{value['resourceType']}/{value['id']}" if "id" in value else None
    return reference_text(value)


def _compile_identifier(question: Question) -> Test:
    try:
        tokens = Tokens(tuple(parse_token(value) for value in question.values))
    except TokenInvalid as problem:
        raise SearchValueInvalid("an identifier needs a value, or a system and a bar") from problem
    return lambda found: (
        isinstance(found.value, dict) and tokens.holds_identifier(found.value.get("identifier"))
    )
