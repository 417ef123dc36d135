"""SMART App Launch 2.2 scopes: what a token says it may do.

hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html

    scope   := level "/" type "." actions [ "?" param "=" value *( "&" param "=" value ) ]
    level   := "patient" | "user" | "system"
    type    := a FHIR resource type | "*"
    actions := v2: some of c r u d s, in that order | v1: "read" | "write" | "*"

A word that does not follow the grammar is ignored, never guessed at: `.dus` could mean
anything, so it means nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import quote, unquote_to_bytes

Level = Literal["patient", "user", "system"]
Action = Literal["c", "r", "u", "d", "s"]

ANY_TYPE: Final = "*"
_ACTION_ORDER: Final = "cruds"
_V1_ACTIONS: Final = {"read": "rs", "write": "cud", "*": "cruds"}

_SCOPE: Final = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>[A-Z][A-Za-z]{0,63}|\*)"
    r"\.(?P<actions>read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?(?P<narrowing>[\x21\x23-\x5b\x5d-\x7e]*))?",
    re.ASCII,
)
_LEVELS: Final = ("patient/", "user/", "system/")
_WORD: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+", re.ASCII)  # RFC 6749, appendix A.4
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope. `actions` are letters in the order of `cruds`.

    `narrowing` are the search parameters behind `?`, decoded, in the order given; parameter
    names keep their modifier (`code:in`). A narrowed scope covers nothing until somebody
    evaluates the narrowing.
    """

    level: Level
    type: str
    actions: str
    narrowing: tuple[tuple[str, str], ...] = ()

    def allows(self, action: Action, resource_type: str) -> bool:
        """Whether the action on this type is named, leaving the narrowing to the caller."""
        return action in self.actions and self.type in (ANY_TYPE, resource_type)

    @property
    def widened(self) -> "Scope":
        """The scope without its narrowing."""
        return self if not self.narrowing else Scope(self.level, self.type, self.actions)

    def __str__(self) -> str:
        """The scope in v2 syntax; parsing it gives this scope again."""
        text = f"{self.level}/{self.type}.{self.actions}"
        if not self.narrowing:
            return text
        return text + "?" + "&".join(f"{name}={_encoded(value)}" for name, value in self.narrowing)


def parse_scope(text: str) -> Scope | None:
    """One word of a token's scopes; None where it is not a resource scope (`openid`) or not well-formed."""
    match = _SCOPE.fullmatch(text)
    if match is None:
        return None
    actions, narrowed = match["actions"], match["narrowing"]
    if narrowed is None:
        narrowing: tuple[tuple[str, str], ...] | None = ()
    elif actions in _V1_ACTIONS:  # v1 has no narrowing, so nobody said what this means
        return None
    else:
        narrowing = _parse_narrowing(narrowed)
    if narrowing is None:
        return None
    return Scope(cast(Level, match["level"]), match["type"], _V1_ACTIONS.get(actions, actions), narrowing)


def covers(scope: Scope, need: Scope) -> bool:
    """Whether the scope permits all that the other one does, on every resource that it does.

    A wildcard is covered by a wildcard alone. Each parameter narrows, so a scope covers what is narrowed
    by all of its own parameters, and perhaps by more.
    """
    return (
        scope.level == need.level
        and scope.type in (ANY_TYPE, need.type)
        and set(scope.actions) >= set(need.actions)
        and set(scope.narrowing) <= set(need.narrowing)
    )


def union(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The same permissions in fewer words: what another scope covers is left out, order does not matter.

    Scopes of one level, type and narrowing become one with the actions of all.
    """
    actions: dict[tuple[Level, str, frozenset[tuple[str, str]]], set[str]] = {}
    for one in scopes:
        actions.setdefault((one.level, one.type, frozenset(one.narrowing)), set()).update(one.actions)
    merged = [
        Scope(level, type_, "".join(one for one in _ACTION_ORDER if one in said), tuple(sorted(narrowing)))
        for (level, type_, narrowing), said in actions.items()
    ]
    kept = [one for one in merged if not any(other != one and covers(other, one) for other in merged)]
    return tuple(sorted(kept, key=str))


def other_words(words: str | Iterable[str]) -> frozenset[str]:
    """What a token's scope says beside resource scopes: `openid`, `fhirUser`, `offline_access`,
    `launch/patient`, a deployment's own. A resource scope that is not well-formed is no such word."""
    listed = words.split(" ") if isinstance(words, str) else words
    return frozenset(one for one in listed if _WORD.fullmatch(one) and not one.startswith(_LEVELS))


def parse_scopes(words: str | Iterable[str]) -> tuple[Scope, ...]:
    """The resource scopes of a token, in order, each once; everything else is left out."""
    listed = words.split(" ") if isinstance(words, str) else words
    return tuple(dict.fromkeys(_parsed(listed)))


def print_scopes(scopes: Iterable[Scope]) -> str:
    """Scopes as a token carries them: v2 syntax, one space between."""
    return " ".join(str(scope) for scope in scopes)


def _parsed(words: Iterable[str]) -> Iterator[Scope]:
    for word in words:
        scope = parse_scope(word)
        if scope is not None:
            yield scope


def _parse_narrowing(text: str) -> tuple[tuple[str, str], ...] | None:
    pairs = [_parse_pair(pair) for pair in text.split("&")]
    narrowing = tuple(pair for pair in pairs if pair is not None)
    return narrowing if len(narrowing) == len(pairs) else None


def _parse_pair(text: str) -> tuple[str, str] | None:
    name, equals, value = text.partition("=")
    if not equals or not value or _PARAMETER.fullmatch(name) is None:
        return None
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        return None
    try:
        return name, unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        return None


def _encoded(value: str) -> str:
    return quote(value, safe="|:/,.-_~$")
