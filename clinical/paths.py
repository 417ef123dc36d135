"""The part of FHIRPath that R4 search parameters are written in, compiled to functions.

element steps, `ofType()`, `where(resolve() is Type)`, `where(element='text')`, `exists()`, `[n]`,
`|`, `and`, `!=`. JSON spells a choice element with its type (`value[x]` is `valueQuantity`); which
elements are choices is a table (`choice-elements-r4.tsv`).
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

from clinical.references import target_type
from clinical.tables import read_rows

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*|[0-9]+)|'(?P<text>[^']*)'|(?P<sign>!=|[.()|=\[\]]))"
)
_LITERALS: Mapping[str, Any] = {"true": True, "false": False}


class PathInvalid(ValueError):
    """An expression outside the part of FHIRPath that search parameters use."""


class Typed(msgspec.Struct, frozen=True, gc=False):
    """A recorded value; of a choice element, also its key's type suffix (`Quantity`, `DateTime`)."""

    value: Any
    type_name: str | None = None


Path = Callable[[Mapping[str, Any]], list[Typed]]
_Step = Callable[[list[Typed], Mapping[str, Any]], list[Typed]]


@lru_cache(maxsize=4096)
def compile_path(expression: str) -> Path:
    """A function from a resource to the values at the path, in order.

    The function skips whatever has not the shape the path expects and never raises. Raises
    PathInvalid for an expression it does not know.
    """
    parser = _Parser(expression)
    path = parser.conjunction()
    parser.finish()
    return path


def choice_types(element: str) -> tuple[str, ...]:
    """The types of a choice element (`Observation.effective`) as JSON spells them; none for any other."""
    return _choices().get(element, ())


@cache
def _choices() -> Mapping[str, tuple[str, ...]]:
    return {row["element"]: tuple(row["types"].split(",")) for row in read_rows("choice-elements-r4.tsv")}


class _Parser:
    """Recursive descent over the expression's tokens; `|` binds tighter than `!=`, and that than `and`."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._at = 0

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise PathInvalid(f"unexpected {self._tokens[self._at]!r}")

    def conjunction(self) -> Path:
        path = self._comparison()
        while self._accept("and"):
            path = _both(path, self._comparison())
        return path

    def _comparison(self) -> Path:
        path = self._union()
        return _differs(path, self._literal()) if self._accept("!=") else path

    def _union(self) -> Path:
        parts = [self._chain()]
        while self._accept("|"):
            parts.append(self._chain())
        return parts[0] if len(parts) == 1 else _united(tuple(parts))

    def _chain(self) -> Path:
        steps: list[_Step] = []
        if self._accept("("):
            inner, where = self._chain_in_brackets()
            steps.append(lambda _values, resource: inner(resource))
        else:
            where = self._word()
            if not where[0].isupper():
                steps.append(_element(where))
        while step := self._step(where):
            where, function = step
            steps.append(function)
        return _chained(tuple(steps))

    def _chain_in_brackets(self) -> tuple[Path, str]:
        inner = self._union()
        self._expect(")")
        return inner, ""

    def _step(self, where: str) -> tuple[str, _Step] | None:
        if self._accept("["):
            index = self._word()
            self._expect("]")
            if not index.isdecimal():
                raise PathInvalid(f"expected an index, found {index!r}")
            return where, _at(int(index))
        if not self._accept("."):
            return None
        name = self._word()
        if self._accept("("):
            return where, self._function(name)
        where = f"{where}.{name}"
        return where, self._element(where, name)

    def _element(self, where: str, name: str) -> _Step:
        if self._tokens[self._at : self._at + 3] == [".", "ofType", "("]:
            self._at += 3
            wanted = self._word()
            self._expect(")")
            return _choice(name, (wanted[0].upper() + wanted[1:],))
        types = _choices().get(where)
        return _choice(name, types) if types else _element(name)

    def _function(self, name: str) -> _Step:
        if name == "exists":
            self._expect(")")
            return lambda values, _resource: [Typed(bool(values))]
        if name != "where":
            raise PathInvalid(f"unknown function {name!r}")
        subject = self._word()
        step = self._resolves() if subject == "resolve" else self._equals(subject)
        self._expect(")")
        return step

    def _resolves(self) -> _Step:
        for expected in ("(", ")", "is"):
            self._expect(expected)
        wanted = self._word()
        return lambda values, resource: [
            found for found in values if target_type(found.value, resource) == wanted
        ]

    def _equals(self, name: str) -> _Step:
        self._expect("=")
        wanted = self._literal()
        return lambda values, _resource: [
            found for found in values if isinstance(found.value, dict) and found.value.get(name) == wanted
        ]

    def _literal(self) -> Any:
        token = self._take()
        if token.startswith("'"):
            return token[1:]
        if token not in _LITERALS:
            raise PathInvalid(f"unknown literal {token!r}")
        return _LITERALS[token]

    def _word(self) -> str:
        token = self._take()
        if not (token[0].isalnum() or token[0] == "_"):
            raise PathInvalid(f"expected a name, found {token!r}")
        return token

    def _take(self) -> str:
        if self._at == len(self._tokens):
            raise PathInvalid("the expression ends too soon")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise PathInvalid(f"expected {token!r}")


def _tokens(expression: str) -> list[str]:
    """Words and signs as they stand, texts with one quotation mark in front."""
    found: list[str] = []
    at, end = 0, len(expression.rstrip())
    while at < end:
        token = _TOKEN.match(expression, at)
        if token is None:
            raise PathInvalid(f"unreadable at {expression[at : at + 20]!r}")
        found.append("'" + token["text"] if token["text"] is not None else token["word"] or token["sign"])
        at = token.end()
    return found


def _chained(steps: tuple[_Step, ...]) -> Path:
    def values_at(resource: Mapping[str, Any]) -> list[Typed]:
        values = [Typed(resource)]
        for step in steps:
            values = step(values, resource)
        return values

    return values_at


def _element(name: str) -> _Step:
    return _choice_of_keys(((name, None),))


def _choice(name: str, types: tuple[str, ...]) -> _Step:
    return _choice_of_keys(tuple((name + suffix, suffix) for suffix in types))


def _choice_of_keys(keys: tuple[tuple[str, str | None], ...]) -> _Step:
    def step(values: list[Typed], _resource: Mapping[str, Any]) -> list[Typed]:
        found: list[Typed] = []
        for holder in values:
            recorded = holder.value
            if not isinstance(recorded, dict):
                continue
            for key, type_name in keys:
                child = recorded.get(key)
                if isinstance(child, list):
                    found += [Typed(item, type_name) for item in child if item is not None]
                elif child is not None:
                    found.append(Typed(child, type_name))
        return found

    return step


def _at(index: int) -> _Step:
    return lambda values, _resource: values[index : index + 1]


def _united(parts: tuple[Path, ...]) -> Path:
    return lambda resource: [found for part in parts for found in part(resource)]


def _both(left: Path, right: Path) -> Path:
    return lambda resource: [Typed(_is_true(left(resource)) and _is_true(right(resource)))]


def _differs(path: Path, literal: Any) -> Path:
    def test(resource: Mapping[str, Any]) -> list[Typed]:
        values = path(resource)
        return [Typed(any(found.value is not literal for found in values))] if values else []

    return test


def _is_true(values: list[Typed]) -> bool:
    return any(found.value is True for found in values)
