"""The values of a field's arguments, literal or by variable: what sizes lists, and what argument weights add.

Variables come as the client gave them. A value of the wrong type is refused when the operation is executed,
before anything is fetched, so any number will do for it here.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from graphql import ConstValueNode, FieldNode, Undefined, ValueNode
from graphql.language import ListValueNode, ObjectValueNode, VariableNode
from graphql.utilities import value_from_ast_untyped

from gateway.cost.declared import Number, Sizing
from gateway.cost.terms import ZERO, Fixed, Term, Values
from gateway.cost.weights import FieldWeight, InputWeight

MISSING: Final = object()
"""What is not given."""

_INT_END: Final = 2**31

Read = Callable[[Values], Any]


def default_of(node: ConstValueNode) -> Any:
    """A variable's default as a plain value."""
    return value_from_ast_untyped(node)


def _reader(node: ValueNode) -> Read:
    if isinstance(node, VariableNode):
        name = node.name.value
        return lambda values: values.get(name, MISSING)
    if isinstance(node, ListValueNode) and _varies(node):
        items = [_reader(one) for one in node.values]
        return lambda values: [one(values) for one in items]
    if isinstance(node, ObjectValueNode) and _varies(node):
        fields = {one.name.value: _reader(one.value) for one in node.fields}
        return lambda values: {name: one(values) for name, one in fields.items()}
    value = value_from_ast_untyped(node)
    return lambda _: value


def _varies(node: ValueNode) -> bool:
    if isinstance(node, ListValueNode):
        return any(map(_varies, node.values))
    if isinstance(node, ObjectValueNode):
        return any(_varies(one.value) for one in node.fields)
    return isinstance(node, VariableNode)


def _readers(definition: Any, node: FieldNode, wanted: Iterable[str]) -> dict[str, tuple[Read, bool]]:
    """By argument, of those wanted: how its value is read, and whether it depends on variables."""
    found: dict[str, tuple[Read, bool]] = {}
    given = {one.name.value: one.value for one in node.arguments or ()}
    for name in wanted:
        if name not in definition.args:
            continue
        default = _schema_default(definition.args[name])
        if name not in given:
            if default is not MISSING:
                found[name] = (_constant(default), False)
            continue
        found[name] = (_or_default(_reader(given[name]), default), _varies(given[name]))
    return found


def _constant(value: Any) -> Read:
    return lambda _: value


def _or_default(read: Read, default: Any) -> Read:
    if default is MISSING:
        return read

    def either(values: Values) -> Any:
        value = read(values)
        return default if value is MISSING else value

    return either


def _schema_default(argument: Any) -> Any:
    """The value that an argument has where none is given."""
    node = getattr(argument, "ast_node", None)
    if node is not None and node.default_value is not None:
        return value_from_ast_untyped(node.default_value)
    value = getattr(argument, "default_value", Undefined)
    return MISSING if value is Undefined else value


class _Size:
    """The greatest of the sizes that arguments give, else the assumed one."""

    __slots__ = ("assumed", "readers")

    def __init__(self, readers: tuple[tuple[Read, bool], ...], assumed: int) -> None:
        self.readers, self.assumed = readers, assumed

    def of(self, values: Values) -> Number:
        """How many items."""
        sizes = [_size(read(values), is_list) for read, is_list in self.readers]
        return max([one for one in sizes if one is not None], default=self.assumed)


def _size(value: Any, is_list: bool) -> int | None:
    if value is MISSING or value is None:
        return None
    if isinstance(value, list):
        return len(value)
    if is_list:  # a single value stands for a list of one
        return 1
    if isinstance(value, float | Decimal):
        # GraphQL takes 5.0 for an Int.
        is_int = isfinite(value) and -_INT_END < value < _INT_END and value == int(value)
        return max(0, int(value)) if is_int else None
    return max(0, int(value)) if isinstance(value, int) and not isinstance(value, bool) else None


def size_term(sizing: Sizing, weight: FieldWeight, definition: Any, node: FieldNode) -> Term:
    """How many items a list has."""
    paths = [path.partition(".") for path in sizing.arguments]
    known = _readers(definition, node, [name for name, _, _ in paths])
    readers: list[tuple[Read, bool]] = []
    varies = False
    for name, _, rest in paths:
        if name in known:
            read, varying = known[name]
            readers.append((_below(read, rest), name in weight.list_arguments and not rest))
            varies = varies or varying
    # A list whose size nothing tells counts as one item, as a list without @listSize does.
    term = _Size(tuple(readers), 1 if sizing.assumed is None else sizing.assumed)
    return term if varies else Fixed(term.of({}))


def _below(read: Read, path: str) -> Read:
    for step in path.split(".") if path else ():
        read = _step(read, step)
    return read


def _step(read: Read, name: str) -> Read:
    def below(values: Values) -> Any:
        value = read(values)
        return value.get(name, MISSING) if isinstance(value, dict) else MISSING

    return below


class _Own:
    """A field's weight with that of its arguments, never below zero."""

    __slots__ = ("arguments", "inputs", "weight")

    def __init__(
        self,
        weight: Number,
        arguments: tuple[tuple[Read, InputWeight], ...],
        inputs: Mapping[str, Mapping[str, InputWeight]],
    ) -> None:
        self.weight, self.arguments, self.inputs = weight, arguments, inputs

    def of(self, values: Values) -> Number:
        """The weight."""
        return max(
            0, self.weight + sum(_added(read(values), one, self.inputs) for read, one in self.arguments)
        )


def own_term(
    own: Number,
    weight: FieldWeight,
    definition: Any,
    node: FieldNode,
    inputs: Mapping[str, Mapping[str, InputWeight]],
) -> Term:
    """What a field costs once, with its arguments: those that are given or have a default."""
    if not weight.arguments:
        return Fixed(max(0, own)) if own else ZERO
    known = _readers(definition, node, weight.arguments)
    counted = tuple((known[name], one) for name, one in weight.arguments.items() if name in known)
    term = _Own(own, tuple((read, one) for (read, _), one in counted), inputs)
    return term if any(varies for (_, varies), _ in counted) else Fixed(term.of({}))


def _added(value: Any, one: InputWeight, inputs: Mapping[str, Mapping[str, InputWeight]]) -> Number:
    if value is MISSING:
        return 0
    added = one.weight
    if one.inner is not None:
        inner = inputs[one.inner]
        for held in value if isinstance(value, list) else (value,):
            if isinstance(held, dict):
                added += sum(
                    _added(held[name], below, inputs) for name, below in inner.items() if name in held
                )
    return added
