"""A search as asked for: filters, order, page and shape (R4 search.html)."""

from collections.abc import Iterable
from dataclasses import dataclass

from clinical.parameters import SearchParameter
from clinical.syntax import split_alternatives
from sandbox.fhir.outcome import RequestRefused
from sandbox.fhir.profile import Profile

Pairs = tuple[tuple[str, str], ...]

SUMMARIES = ("true", "false", "count", "text", "data")
TOTALS = ("none", "estimate", "accurate")
PASSED_OVER = frozenset(("_format", "_pretty"))


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; `values` are alternatives. Several filters must all hold."""

    parameter: SearchParameter
    modifier: str | None
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One `_sort` key."""

    parameter: SearchParameter
    is_descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include`: what this parameter refers to comes along, if it is of the target type."""

    parameter: SearchParameter
    target: str | None
    is_iterated: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A search of one type. `ignored` says what was not understood; `pairs` what was, for the links."""

    resource_type: str
    filters: tuple[Filter, ...]
    orders: tuple[Order, ...]
    includes: tuple[Include, ...]
    count: int
    elements: tuple[str, ...]
    summary: str
    total: str
    ignored: tuple[str, ...]
    pairs: Pairs


class _Reading:
    """Gathers the parts of a query from its pairs, one handler per result parameter."""

    def __init__(self, resource_type: str, profile: Profile) -> None:
        self.resource_type = resource_type
        self.profile = profile
        self.known = profile.parameters(resource_type)
        self.filters: list[Filter] = []
        self.orders: list[Order] = []
        self.includes: list[Include] = []
        self.count = profile.page_default
        self.elements: tuple[str, ...] = ()
        self.summary = "false"
        self.total = "none"
        self.ignored: list[str] = []
        self.pairs: list[tuple[str, str]] = []

    def read(self, name: str, value: str) -> None:
        if not value or name in PASSED_OVER:
            return
        noted = len(self.ignored)
        if name == "_count":
            self._read_count(value)
        elif name == "_sort":
            self._read_sort(value)
        elif self.profile.is_plain or not self._read_shape(name, value):
            self._read_filter(name, value)
        if len(self.ignored) == noted:
            self.pairs.append((name, value))

    def _read_count(self, value: str) -> None:
        if not value.isascii() or not value.isdigit():
            raise RequestRefused(400, "invalid", "_count must be a whole number")
        self.count = min(int(value[:9]), self.profile.page_max)
        if self.count == 0:
            self.summary, self.count = "count", self.profile.page_default

    def _read_sort(self, value: str) -> None:
        allowed = self.profile.sorts
        if allowed is not None and (self.resource_type, value) not in allowed:
            return
        for text in value.split(","):
            parameter = self.known.get(text.removeprefix("-"))
            if parameter is None:
                self.ignored.append(f"_sort by {text!r} is not supported")
            else:
                self.orders.append(Order(parameter, text.startswith("-")))

    def _read_shape(self, name: str, value: str) -> bool:
        """Reads a parameter that shapes the result; False where it is none."""
        if name == "_elements":
            self.elements = tuple(filter(None, (text.strip() for text in value.split(","))))
        elif name == "_summary":
            self.summary = _one_of(name, value, SUMMARIES)
        elif name == "_total":
            self.total = _one_of(name, value, TOTALS)
        elif name.partition(":")[0] == "_include":
            self._read_include(value, name.partition(":")[2])
        else:
            return False
        return True

    def _read_include(self, value: str, modifier: str) -> None:
        source, _, rest = value.partition(":")
        code, _, target = rest.partition(":")
        known = self.profile.parameters(source) if source in self.profile.types else {}
        found = [one for one in known.values() if one.type == "reference" and code in (one.code, "*")]
        if not found or modifier not in ("", "iterate", "recurse"):
            raise RequestRefused(400, "not-supported", f"_include {value!r} is not supported")
        self.includes += [Include(one, target or None, bool(modifier)) for one in found]

    def _read_filter(self, name: str, value: str) -> None:
        code, _, modifier = name.partition(":")
        parameter = self.known.get(code)
        if parameter is None:
            self.ignored.append(f"search parameter {name!r} is not supported for {self.resource_type}")
            return
        values = tuple(text for text in split_alternatives(value) if text)
        if code == "_id" and len(values) > self.profile.ids_max:
            raise RequestRefused(400, "too-costly", f"_id: at most {self.profile.ids_max} values")
        self.filters.append(Filter(parameter, modifier or None, values))


def parse_query(
    resource_type: str, pairs: Iterable[tuple[str, str]], profile: Profile, is_strict: bool
) -> Query:
    """The search that these name-value pairs ask for. Raises RequestRefused."""
    reading = _Reading(resource_type, profile)
    for name, value in pairs:
        reading.read(name, value)
    _check_needs(resource_type, reading.filters, profile)
    ignored = () if profile.is_plain else tuple(reading.ignored)
    if ignored and is_strict:
        raise RequestRefused(400, "not-supported", "; ".join(ignored))
    return Query(
        resource_type=resource_type,
        filters=tuple(reading.filters),
        orders=tuple(reading.orders),
        includes=tuple(reading.includes),
        count=reading.count,
        elements=reading.elements,
        summary=reading.summary,
        total=reading.total,
        ignored=ignored,
        pairs=tuple(reading.pairs),
    )


def _check_needs(resource_type: str, filters: list[Filter], profile: Profile) -> None:
    given = {one.parameter.code for one in filters}
    if "_id" in given:
        return
    for group in (profile.needs or {}).get(resource_type, ()):
        if not given.intersection(group):
            raise RequestRefused(400, "required", f"{resource_type} search needs {' or '.join(group)}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise RequestRefused(400, "invalid", f"{name} must be one of {', '.join(allowed)}")
    return value
