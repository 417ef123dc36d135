"""Formulas of costs: small expressions over an operation's variables, folded as far as they are known.

Each answers `of(values)` with an exact number, for values of variables by their names.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.cost.declared import Number
from gateway.cost.guards import ALWAYS, Guard, holds

Values = Mapping[str, Any]
"""An operation's variables as they were given, with their defaults."""


class Term(Protocol):
    """An expression."""

    def of(self, values: Values) -> Number:
        """Its number for these variables."""


class Fixed:
    """A number."""

    __slots__ = ("number",)

    def __init__(self, number: Number) -> None:
        self.number = number

    def of(self, values: Values) -> Number:
        """The number."""
        return self.number


ZERO: Final = Fixed(0)
ONE: Final = Fixed(1)


class _Sum:
    __slots__ = ("fixed", "parts")

    def __init__(self, fixed: Number, parts: Sequence[Term]) -> None:
        self.fixed, self.parts = fixed, parts

    def of(self, values: Values) -> Number:
        total = self.fixed
        for one in self.parts:
            total += one.of(values)
        return total


class _Product:
    __slots__ = ("factor", "term")

    def __init__(self, factor: Term, term: Term) -> None:
        self.factor, self.term = factor, term

    def of(self, values: Values) -> Number:
        count = self.factor.of(values)
        return count * self.term.of(values) if count else 0


class _Most:
    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Term]) -> None:
        self.parts = parts

    def of(self, values: Values) -> Number:
        return max([one.of(values) for one in self.parts])


class _Least:
    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Term]) -> None:
        self.parts = parts

    def of(self, values: Values) -> Number:
        return min([one.of(values) for one in self.parts])


class _When:
    __slots__ = ("guard", "term")

    def __init__(self, guard: Guard, term: Term) -> None:
        self.guard, self.term = guard, term

    def of(self, values: Values) -> Number:
        return self.term.of(values) if holds(self.guard, values) else 0


def total(terms: Iterable[Term]) -> Term:
    """The sum of terms."""
    fixed: Number = 0
    parts: list[Term] = []
    for one in terms:
        if isinstance(one, Fixed):
            fixed += one.number
        elif isinstance(one, _Sum):
            fixed += one.fixed
            parts += one.parts
        else:
            parts.append(one)
    if not parts:
        return Fixed(fixed) if fixed else ZERO
    return parts[0] if len(parts) == 1 and not fixed else _Sum(fixed, tuple(parts))


def product(factor: Term, term: Term) -> Term:
    """So many times a term."""
    if isinstance(term, Fixed) and (not term.number or isinstance(factor, Fixed)):
        return Fixed(factor.of({}) * term.number) if term.number else ZERO
    if isinstance(factor, Fixed) and factor.number in (0, 1):
        return term if factor.number else ZERO
    if isinstance(term, Fixed) and term.number == 1:
        return factor
    return _Product(factor, term)


def most(terms: Iterable[Term]) -> Term:
    """The greatest of terms, none of which is below zero; zero where there is none."""
    parts: list[Term] = []
    fixed: Number = 0
    for one in terms:
        if isinstance(one, Fixed):
            fixed = max(fixed, one.number)
        elif not any(one is known for known in parts):
            parts.append(one)
    if not parts:
        return Fixed(fixed)
    if fixed:
        parts.append(Fixed(fixed))
    return parts[0] if len(parts) == 1 else _Most(tuple(parts))


def least(terms: Sequence[Term]) -> Term:
    """The least of terms; zero where there is none."""
    fixed = [one.number for one in terms if isinstance(one, Fixed)]
    if len(fixed) == len(terms):
        return Fixed(min(fixed, default=0))
    return terms[0] if len(terms) == 1 else _Least(tuple(terms))


def when(guard: Guard, term: Term) -> Term:
    """A term where a guard holds, else nothing."""
    if guard == ALWAYS or (isinstance(term, Fixed) and not term.number):
        return term
    return _When(guard, term) if guard else ZERO
