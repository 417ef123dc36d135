"""What a list field asks: its arguments as FHIR search filters, checked before anything is fetched."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache, lru_cache
from typing import Any

import msgspec

from clinical.codec import digits
from clinical.dates import DateInvalid, interval
from clinical.parameters import SearchParameter, parameters
from clinical.search import SearchValueInvalid, compile_search
from clinical.syntax import escape
from permissions.narrowing import Narrowing
from resolvers.backward import Backward
from resolvers.errors import ArgumentInvalid
from resolvers.hidden import hidden_filter
from resolvers.ordering import Ordering, ordering_of
from resolvers.upstreams.upstream import Filter

FIRST_DEFAULT = 20
FIRST_MAX = 100
_PAGING = frozenset({"first", "after", "last", "before", "sort", "require", "duplicates", "changedSince"})
_NONE: frozenset[str] = frozenset()
_KEPT = frozenset({"first", "sort"})
CHANGED = "_lastUpdated"
"""The search parameter that tells when a source changed a record (R4 search 3.1.1.4.3)."""
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})")
_STRING_MODIFIERS = {"startsWith": None, "exact": "exact", "contains": "contains"}


class Requirement(Enum):
    """What a caller cannot do without."""

    COMPLETE = "COMPLETE"


class Duplicates(Enum):
    """What becomes of rows that are one clinical fact."""

    SHOW = "SHOW"
    COLLAPSE = "COLLAPSE"


class Question(msgspec.Struct, frozen=True, cache_hash=True):
    """A list field's question. `references` are filters by global ids, translated per source.

    `first`: how many rows, after the cursor `after` or (`is_backward`) before the cursor `before`.
    `shows_hidden`: the caller asked for records that are not shown else: entered in error, or superseded.
    """

    type: str
    filters: tuple[Filter, ...]
    references: tuple[tuple[str, tuple[str, ...]], ...]
    ordering: Ordering
    first: int
    after: str | None
    shows_hidden: bool
    is_newest_first: bool = False
    """Whether the list has the order that its type's lists have where none is asked for, by a date."""
    narrowings: tuple[tuple[Filter, ...], ...] = ()
    """What the caller's scopes narrow the list to: any of these, each as a whole. None: to nothing less."""
    is_backward: bool = False
    """Whether the page ends at its cursor, or at the end of the list."""
    before: str | None = None
    requires_complete: bool = False
    """Whether an answer that lacks a source's part is an error."""
    collapses: bool = False
    """Whether rows that are one clinical fact are given as one (`resolvers.collapse`)."""
    changed_since: str | None = None
    """The instant from which on records have changed that are listed."""

    @property
    def cursor(self) -> str | None:
        """The cursor that the page lies beside; None: the list's first or last page."""
        return self.before if self.is_backward else self.after

    @property
    def direction(self) -> Ordering:
        """The order in which rows are read."""
        return Backward(self.ordering) if self.is_backward else self.ordering

    @property
    def is_in_order(self) -> bool:
        """Whether a source that sorts can be read as far as the page goes, and no farther."""
        has_cursor = self.before is not None
        return not self.is_backward or self.ordering.is_reversible(has_cursor=has_cursor)

    @property
    def narrowing(self) -> Narrowing | None:
        """The one thing that the caller's scopes narrow the list to; None where there are others, or none."""
        if len(self.narrowings) != 1:
            return None
        found = Narrowing(self.type, tuple((one.code, one.values[0]) for one in self.narrowings[0]))
        return None if found.names_records else found  # whose ids those are is seen on each row

    @property
    def codes(self) -> frozenset[str]:
        """The search parameters that the question filters by."""
        if not self.filters and not self.references and self.changed_since is None:
            return _NONE
        changed = () if self.changed_since is None else (CHANGED,)
        return frozenset(
            (*(one.code for one in self.filters), *(code for code, _ in self.references), *changed)
        )

    def fingerprint(self, about: str) -> bytes:
        """What a cursor is bound to: the list and its filters, not the page size."""
        asked = (self.type, self.filters, self.references, self.ordering.sort, about)
        more = (self.narrowings, self.collapses, self.changed_since)
        text = repr((*asked, *more) if any(more) else asked)
        return hashlib.sha256(text.encode()).digest()


def argument_name(code: str) -> str:
    """A search parameter's GraphQL name: `clinical-status` -> `clinicalStatus`, `_id` stays."""
    head, *rest = code.split("-")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


@cache
def arguments_of(resource_type: str) -> Mapping[str, SearchParameter]:
    """The search parameters of a type by their GraphQL names."""
    return {argument_name(code): parameter for code, parameter in parameters(resource_type).items()}


def question_of(resource_type: str, arguments: Mapping[str, Any], first_max: int = FIRST_MAX) -> Question:
    """The question in a field's arguments. Raises ArgumentInvalid."""
    if arguments.keys() <= _KEPT:
        return _kept_question(resource_type, arguments.get("first"), arguments.get("sort"), first_max)
    return _question(resource_type, arguments, first_max)


@lru_cache(maxsize=1024)
def _kept_question(resource_type: str, first: int | None, sort: str | None, first_max: int) -> Question:
    """A question that tells nothing of anybody is kept for the next request."""
    return _question(resource_type, {"first": first, "sort": sort}, first_max)


def _question(resource_type: str, arguments: Mapping[str, Any], first_max: int) -> Question:
    for name in ("first", "last"):
        count = arguments.get(name)
        if count is not None and not 0 <= count <= first_max:
            raise ArgumentInvalid(f"{name}: must be between 0 and {first_max}")
    filters: list[Filter] = []
    references: list[tuple[str, tuple[str, ...]]] = []
    known = arguments_of(resource_type)
    for name, value in arguments.items():
        if name in _PAGING or value is None:
            continue
        parameter = known[name]
        if parameter.type == "reference":
            references.append((parameter.code, _ids(name, value)))
        else:
            filters.extend(_checked(name, parameter, _filters(parameter, value)))
    since = _instant(arguments.get("changedSince"))
    sort = arguments.get("sort")
    ordering = ordering_of(resource_type, CHANGED if sort is None and since is not None else sort)
    is_backward = _is_backward(arguments)
    collapses = arguments.get("duplicates") is Duplicates.COLLAPSE
    is_plain = not (is_backward or collapses or since)
    count = arguments.get("last" if is_backward else "first")
    return Question(
        resource_type,
        tuple(filters),
        tuple(references),
        ordering,
        FIRST_DEFAULT if count is None else count,
        arguments.get("after"),
        since is not None or _asks_for_hidden(resource_type, filters),
        is_plain and ordering.date_element is not None and ordering is ordering_of(resource_type, None),
        is_backward=is_backward,
        before=arguments.get("before"),
        requires_complete=arguments.get("require") is Requirement.COMPLETE,
        collapses=collapses,
        changed_since=since,
    )


def _asks_for_hidden(resource_type: str, filters: Iterable[Filter]) -> bool:
    """Whether a filter by status names one of those that are not shown else."""
    hidden = hidden_filter(resource_type)
    if hidden is None:
        return False
    asked = (text for one in filters if one.code == hidden.code for text in one.values)
    return any(text.rpartition("|")[2] in hidden.values for text in asked)


def _is_backward(arguments: Mapping[str, Any]) -> bool:
    def is_given(*names: str) -> bool:
        return any(arguments.get(one) is not None for one in names)

    is_backward = is_given("last", "before")
    if is_backward and is_given("first", "after"):
        raise ArgumentInvalid("give first and after, or last and before, not some of both")
    return is_backward


def _instant(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        if _INSTANT.fullmatch(text):
            interval(text)
            return text
    except DateInvalid:
        pass
    raise ArgumentInvalid("changedSince: must be an instant with its time zone, as 2026-11-01T00:00:00Z")


def _ids(name: str, value: Iterable[str]) -> tuple[str, ...]:
    if ids := tuple(value):
        return ids
    raise _empty(name)


def _filters(parameter: SearchParameter, value: Any) -> Iterator[Filter]:
    if parameter.type == "string":
        for name, text in value.items():
            if text is not None:
                yield Filter(parameter.code, (escape(text),), _STRING_MODIFIERS[name])
    elif parameter.type == "date":
        for prefix, text in value.items():
            if text is not None:
                yield Filter(parameter.code, (f"{prefix}{text}",))
    elif parameter.type in ("quantity", "number"):
        yield from _amounts(parameter, value)
    else:
        yield Filter(parameter.code, tuple(_token(text) for text in value))


def _amounts(parameter: SearchParameter, value: Mapping[str, Any]) -> Iterator[Filter]:
    unit = ""
    if parameter.type == "quantity" and (value.get("code") or value.get("system")):
        unit = f"|{escape(value.get('system') or '')}|{escape(value.get('code') or '')}"
    for prefix in ("eq", "ge", "gt", "le", "lt"):
        if value.get(prefix) is not None:
            yield Filter(parameter.code, (f"{prefix}{digits(value[prefix])}{unit}",))


def _checked(name: str, parameter: SearchParameter, filters: Iterable[Filter]) -> Iterator[Filter]:
    """Refuses values that no source could evaluate, before any source is asked."""
    for one in filters:
        if not one.values:
            raise _empty(name)
        try:
            compile_search(parameter, one.values, one.modifier)
        except SearchValueInvalid as problem:
            raise ArgumentInvalid(f"{name}: {problem}") from None
        yield one


def _empty(name: str) -> ArgumentInvalid:
    return ArgumentInvalid(f"{name}: an empty list matches nothing; leave it out or give a value")


def _token(text: str) -> str:
    """Escaped, but the first bar parts system from code."""
    system, bar, code = text.partition("|")
    return f"{escape(system)}{bar}{escape(code)}"
