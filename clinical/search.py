"""The evaluation of one search parameter on one resource (FHIR R4 search 3.1.1.4).

Shared by the sandbox servers and by the gateway, which filters itself where a source cannot.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from clinical.matching.date import compile_date
from clinical.matching.quantity import compile_number, compile_quantity
from clinical.matching.question import Question, Test
from clinical.matching.reference import compile_reference
from clinical.matching.string import compile_string
from clinical.matching.token import compile_token
from clinical.matching.uri import compile_uri
from clinical.parameters import SearchParameter
from clinical.paths import compile_path
from clinical.syntax import SearchValueInvalid, split_alternatives

__all__ = ["Predicate", "SearchValueInvalid", "compile_search", "is_exact", "matches", "modifiers"]

Predicate = Callable[[Mapping[str, Any]], bool]

_COMPILERS: Mapping[str, Callable[[Question], Test]] = {
    "date": compile_date,
    "number": compile_number,
    "quantity": compile_quantity,
    "reference": compile_reference,
    "string": compile_string,
    "token": compile_token,
    "uri": compile_uri,
}
_MODIFIERS: Mapping[str, frozenset[str]] = {
    "reference": frozenset(("identifier",)),
    "string": frozenset(("contains", "exact")),
    "token": frozenset(("not", "text")),
    "uri": frozenset(("above", "below")),
}
_EXACT_TYPES = frozenset(("date", "reference", "token", "uri"))


def is_exact(parameter: SearchParameter) -> bool:
    """Whether every server evaluates the parameter alike, so that the gateway may do it in its place."""
    return parameter.type in _EXACT_TYPES


def modifiers(parameter: SearchParameter) -> frozenset[str]:
    """The modifiers this module evaluates; for a reference also the name of any target type."""
    return _MODIFIERS.get(parameter.type, frozenset()) | {"missing"}


def matches(
    resource: Mapping[str, Any],
    parameter: SearchParameter,
    values: Sequence[str],
    modifier: str | None = None,
    base_url: str | None = None,
) -> bool:
    """Whether the resource answers `parameter[:modifier]=values`.

    `values` are in FHIR search syntax and OR-ed, as are the parts between unescaped commas in each;
    no value matches nothing. `base_url` is that of the server the resource is from: only under it is
    an absolute reference the same as a relative one. Raises SearchValueInvalid; never for what the
    resource looks like.
    """
    return compile_search(parameter, tuple(values), modifier, base_url)(resource)


@lru_cache(maxsize=256)
def compile_search(
    parameter: SearchParameter,
    values: tuple[str, ...],
    modifier: str | None = None,
    base_url: str | None = None,
) -> Predicate:
    """The test that `matches` applies, for use on many resources. Raises SearchValueInvalid."""
    _check_modifier(parameter, modifier)
    path = compile_path(parameter.expression)
    if modifier == "missing":
        wanted = _missing_value(values)
        return lambda resource: (not path(resource)) is wanted
    alternatives = tuple(part for value in values for part in split_alternatives(value))
    test = _COMPILERS[parameter.type](Question(parameter, alternatives, modifier, base_url))
    if modifier == "not":
        return lambda resource: not any(map(test, path(resource)))
    return lambda resource: any(map(test, path(resource)))


def _check_modifier(parameter: SearchParameter, modifier: str | None) -> None:
    if modifier is None or modifier in modifiers(parameter):
        return
    is_target = modifier in parameter.targets or ("Any" in parameter.targets and modifier[:1].isupper())
    if parameter.type != "reference" or not is_target:
        raise SearchValueInvalid(f"the modifier :{modifier} does not apply to {parameter.code}")


def _missing_value(values: tuple[str, ...]) -> bool:
    if values not in (("true",), ("false",)):
        raise SearchValueInvalid(":missing takes true or false")
    return values == ("true",)
