"""`@cost` and `@listSize` as a schema states them: one made by Strawberry, or one read from SDL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from graphql import GraphQLSchema
from graphql.execution.values import get_directive_values
from strawberry import UNSET

from schema.cost import Cost, ListSize

DEFINITION: Final = "strawberry-definition"

WEIGHT_MAX: Final = 1_000_000
"""The greatest weight, and the least with a minus before it."""

_WEIGHT: Final = re.compile(r"[+-]?[0-9]{1,7}(?:\.[0-9]{1,6})?")

Number = int | Fraction
"""Weights are exact, and so are costs until they are told: nothing overflows and nothing is rounded twice."""


class WeightInvalid(ValueError):
    """A `@cost` or `@listSize` of the schema that says nothing sensible; the gateway does not start."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """A `@listSize` directive. `arguments` may be paths into an input object: `page.first`."""

    arguments: tuple[str, ...]
    assumed: int | None
    fields: frozenset[str]


def weight_of(schema: GraphQLSchema, held: Any, where: str) -> Number | None:
    """The weight that a definition declares, None where it declares none. Raises WeightInvalid."""
    said = _directive(schema, held, "cost", Cost)
    return None if said is None else parse_weight(said["weight"], where)


def sizing_of(schema: GraphQLSchema, held: Any, where: str) -> Sizing | None:
    """The size of the list that a field is, None where it declares none. Raises WeightInvalid."""
    said = _directive(schema, held, "listSize", ListSize)
    if said is None:
        return None
    arguments = tuple(said.get("slicingArguments") or ())
    assumed = said.get("assumedSize")
    if assumed is not None and assumed < 0:
        raise WeightInvalid(f"{where}: @listSize assumes a size below zero")
    if not arguments and assumed is None:
        raise WeightInvalid(f"{where}: @listSize names neither slicingArguments nor assumedSize")
    if said.get("requireOneSlicingArgument", True) and arguments:
        _check_required(held, arguments, where)
    return Sizing(arguments, assumed, frozenset(said.get("sizedFields") or ()))


def _check_required(field: Any, arguments: tuple[str, ...], where: str) -> None:
    """Validation refuses an operation without a required argument, so the argument must be one."""
    name = arguments[0]
    if len(arguments) > 1 or name not in field.args or not str(field.args[name].type).endswith("!"):
        raise WeightInvalid(
            f"{where}: @listSize requires one slicing argument: name just one, which may not be null, or set "
            "requireOneSlicingArgument: false"
        )


def parse_weight(text: str, where: str) -> Number:
    """A weight as a number; raises WeightInvalid for what is none, or beyond `WEIGHT_MAX`."""
    if _WEIGHT.fullmatch(text.strip()) is None:
        raise WeightInvalid(f"{where}: {text[:40]!r} is not a weight: a number such as 5, 0.5 or -2")
    number = Fraction(text.strip())
    if abs(number) > WEIGHT_MAX:
        raise WeightInvalid(f"{where}: the weight {text} is beyond {WEIGHT_MAX}")
    return int(number) if number.denominator == 1 else number


def _directive(schema: GraphQLSchema, held: Any, name: str, made: type) -> Mapping[str, Any] | None:
    """The arguments of a directive on a definition, by their GraphQL names."""
    node = getattr(held, "ast_node", None)
    if node is not None:
        directive = schema.get_directive(name)
        return get_directive_values(directive, node) if directive is not None else None
    definition = held.extensions.get(DEFINITION)
    for one in getattr(definition, "directives", None) or ():
        if isinstance(one, made):
            return {_camel(key): value for key, value in vars(one).items() if value is not UNSET}
    return None


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))
