"""The search parameters of sources that have none: evaluated here, on whole resources, therefore exactly."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from clinical.parameters import parameters
from clinical.search import SearchValueInvalid, compile_search, is_exact
from clinical.syntax import split_alternatives
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.upstream import Filter, Search

Predicate = Callable[[Mapping[str, Any]], bool]

_REFERENCE: Final = re.compile(r"(?:.*/)?(?:Patient/)?([A-Za-z0-9.-]+)")


@cache
def exact_parameters(resource_type: str) -> frozenset[str]:
    """The parameters of a type that are evaluated alike everywhere."""
    return frozenset(code for code, row in parameters(resource_type).items() if is_exact(row))


def predicate(source: str, search: Search, base_url: str) -> Predicate:
    """Whether a resource answers a search. Raises SearchNotSupported."""
    tests = [filter_test(source, search.type, one, base_url) for one in search.filters]
    return lambda resource: all(test(resource) for test in tests)


def filter_test(source: str, resource_type: str, one: Filter, base_url: str | None) -> Predicate:
    """Whether a resource passes one filter. Raises SearchNotSupported."""
    message = f"{source} does not support this search."
    if one.code not in exact_parameters(resource_type):
        raise SearchNotSupported(source, message, detail=one.code)
    try:
        return compile_search(parameters(resource_type)[one.code], one.values, one.modifier, base_url)
    except SearchValueInvalid as problem:
        raise SearchNotSupported(source, message, detail=str(problem)) from problem


def patients_asked(search: Search) -> frozenset[str] | None:
    """The patients a search is about; None where it names nobody."""
    if search.patient is not None:
        return frozenset((search.patient,))
    codes = ("_id",) if search.type == "Patient" else ("patient", "subject")
    named = [one for one in search.filters if one.code in codes and one.modifier in (None, "Patient")]
    if not named:
        return None
    texts = (part for one in named for value in one.values for part in split_alternatives(value))
    return frozenset(found[1] for text in texts if (found := _REFERENCE.fullmatch(text)))
