"""From a document to what it costs: done once for each document (docs/cost.md).

Nothing here depends on variables or on the caller: conditions, sizes and what may be denied stay in it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    is_abstract_type,
    is_leaf_type,
)
from graphql.type import SchemaMetaFieldDef, TypeMetaFieldDef

from gateway.cost.formula import Formula, formula_of
from gateway.cost.given import default_of, own_term, size_term
from gateway.cost.guards import FREE, Literals, either, narrowed
from gateway.cost.selections import Alternative, Body, Selection
from gateway.cost.tariff import Tariff, tariff_of
from gateway.cost.weights import FieldWeight, Weights
from gateway.document_errors import DocumentLimitExceeded

STEPS_MAX: Final = 10_000
"""Selections that are looked at. Each is looked at once for each set of types that it may stand on, and such
sets multiply where interfaces lie below interfaces; a document that is within its limits and needs more was
made for that."""

LEVELS_MAX: Final = 100
"""Levels of fields, whatever the limits allow: deeper ones would need more than Python's stack."""

PRICES_KEPT: Final = 64
"""Of one document, for as many sets of denied coordinates."""

_TYPES_A_STEP: Final = 8

Sets = tuple[tuple[SelectionSetNode, Literals], ...]
"""Selection sets that are merged, each with what must hold for it."""

Prices = tuple[Formula, Tariff]
"""What an operation may cost, and what it has cost by what is noted of it."""

_META: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class Analysis:
    """What one operation costs, before variables and the caller are known."""

    __slots__ = ("counts_found", "defaults", "prices", "root")

    def __init__(self, root: Alternative, defaults: Mapping[str, Any], *, counts_found: bool) -> None:
        self.root = root
        self.defaults = defaults
        self.counts_found = counts_found
        """Whether what it has cost depends on the resources that are found (`resolvers.tally`)."""
        self.prices: OrderedDict[frozenset[str], Prices] = OrderedDict()
        """What `priced` has told."""

    def priced(self, denied: frozenset[str]) -> Prices:
        """What it may cost and what it has cost, for a caller to whom these coordinates are denied."""
        found = self.prices.get(denied)
        if found is None:
            found = self.prices[denied] = formula_of(self.root, denied), tariff_of(self.root, denied)
            if len(self.prices) > PRICES_KEPT:
                self.prices.popitem(last=False)
        return found

    def values(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """The variables with the defaults of those that are not given."""
        return {**self.defaults, **variables} if self.defaults else variables


def analyse(
    weights: Weights, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Analysis:
    """The analysis of a valid operation. Raises DocumentLimitExceeded."""
    kind = weights.schema.get_root_type(operation.operation)
    assert kind is not None
    try:
        analyst = _Analyst(weights, fragments)
        root = analyst.root(kind, operation.selection_set)
    except RecursionError:
        raise DocumentLimitExceeded.because("The document is nested too deeply.") from None
    defaults = {
        one.variable.name.value: default_of(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }
    made = Analysis(root, defaults, counts_found=analyst.counts_found)
    made.priced(frozenset())
    return made


class _Analyst:
    def __init__(self, weights: Weights, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._weights = weights
        self._schema = weights.schema
        self._fragments = fragments
        self._known: dict[Any, Body] = {}
        self._steps = 0
        self._levels = 0
        self.counts_found = False

    def root(self, kind: GraphQLObjectType, selected: SelectionSetNode) -> Alternative:
        return self._alternative(kind, (kind.name,), ((selected, FREE),))

    def _alternative(self, kind: GraphQLObjectType, types: tuple[str, ...], sets: Sets) -> Alternative:
        """What the sets select on objects of some types that are like `kind`."""
        found: dict[str, list[tuple[FieldNode, Literals]]] = {}
        visited: set[tuple[str, Literals]] = set()
        for selected, literals in sets:
            self._collect(kind, selected, literals, found, visited)
        made = Alternative(types, self._weights.types[kind.name])
        weights = self._weights.fields(kind.name)
        made.selections = [
            self._selection(kind, types, key, nodes, weight)
            for key, nodes in found.items()
            if (weight := weights.get(nodes[0][0].name.value)) is not None and not weight.is_free
        ]
        return made

    def _collect(
        self,
        kind: GraphQLObjectType,
        selected: SelectionSetNode,
        around: Literals,
        found: dict[str, list[tuple[FieldNode, Literals]]],
        visited: set[tuple[str, Literals]],
    ) -> None:
        """CollectFields (GraphQL 6.3.2), with what must hold for each node."""
        self._step(len(selected.selections))
        for one in selected.selections:
            literals = narrowed(around, one) if one.directives else around
            if literals is None:
                continue
            if isinstance(one, FieldNode):
                key = one.alias.value if one.alias else one.name.value
                found.setdefault(key, []).append((one, literals))
                continue
            if isinstance(one, FragmentSpreadNode):
                if (one.name.value, literals) in visited:
                    continue
                visited.add((one.name.value, literals))
            inner = self._fragment(one)
            if self._applies(inner, kind):
                self._collect(kind, inner.selection_set, literals, found, visited)

    def _step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > STEPS_MAX:
            raise DocumentLimitExceeded.because(
                "The operation repeats fields, or fragments on several types, more often than is counted."
            )

    def _fragment(self, one: Any) -> FragmentDefinitionNode | InlineFragmentNode:
        found: FragmentDefinitionNode | InlineFragmentNode
        found = self._fragments[one.name.value] if isinstance(one, FragmentSpreadNode) else one
        return found

    def _applies(
        self, fragment: FragmentDefinitionNode | InlineFragmentNode, kind: GraphQLObjectType
    ) -> bool:
        condition = fragment.type_condition
        return condition is None or self._is_of(condition.name.value, kind)

    def _is_of(self, name: str, kind: GraphQLObjectType) -> bool:
        if name == kind.name:
            return True
        named: Any = self._schema.type_map[name]
        return is_abstract_type(named) and self._schema.is_sub_type(named, kind)

    def _selection(
        self,
        kind: GraphQLObjectType,
        types: tuple[str, ...],
        key: str,
        nodes: Sequence[tuple[FieldNode, Literals]],
        weight: FieldWeight,
    ) -> Selection:
        """One field of the answer that may cost something."""
        node = nodes[0][0]
        name = node.name.value
        definition = kind.fields[name] if name in kind.fields else _META[name]
        guard = either([literals for _, literals in nodes])
        alone = guard[0] if len(guard) == 1 else None
        # What holds for the field as a whole need not be asked again below it.
        sets = tuple(
            [
                (one.selection_set, literals - alone if alone else literals)
                for one, literals in nodes
                if one.selection_set is not None
            ]
        )
        body, weighs_items = self._body(weight, sets), weight.weighs_items
        if weight.is_found and body is not None:
            self.counts_found |= weighs_items or any(one.selections for one in body.alternatives)
        return Selection(
            key,
            name,
            types,
            guard,
            own_term(weight.own or 0, weight, definition, node, self._weights.inputs),
            body,
            weight.is_list,
            weighs_items,
            weight.is_found,
            weight.is_searched,
            **self._sizes(weight, definition, node),
        )

    def _sizes(self, weight: FieldWeight, definition: Any, node: FieldNode) -> dict[str, Any]:
        sizing = weight.sizing
        if sizing is None:
            return {}
        size = size_term(sizing, weight, definition, node)
        given = {one.name.value for one in node.arguments or ()}
        lower = tuple(one for one in sizing.arguments if one.split(".")[0] in given) or sizing.arguments[:1]
        if sizing.fields:
            return {"rows": size, "sized": sizing.fields, "lower": lower}
        return {"count": size, "lower": lower}

    def _body(self, weight: FieldWeight, sets: Sets) -> Body | None:
        """What is selected on a field's value. The same sets on the same type are looked at once."""
        if is_leaf_type(weight.kind):
            return self._leaf(weight)
        key = (weight.kind.name, frozenset([(id(one), literals) for one, literals in sets]))
        known = self._known.get(key)
        if known is None:
            self._levels += 1
            if self._levels > LEVELS_MAX:
                raise DocumentLimitExceeded.because("The document is nested too deeply.")
            known = self._known[key] = Body(self._alternatives(weight.kind, sets))
            self._levels -= 1
        return known

    def _leaf(self, weight: FieldWeight) -> Body | None:
        own = self._weights.types[weight.kind.name]
        return Body([Alternative((weight.kind.name,), own)]) if own and weight.is_list else None

    def _alternatives(self, kind: Any, sets: Sets) -> list[Alternative]:
        if not is_abstract_type(kind):
            return [self._alternative(kind, (kind.name,), sets)]
        names: set[str] = set()
        visited: set[str] = set()
        for one, _ in sets:
            self._conditions(one, names, visited)
        return [
            self._alternative(group[0], tuple(one.name for one in group), sets)
            for group in self._alike(kind, names)
        ]

    def _alike(self, kind: Any, names: set[str]) -> Iterable[list[GraphQLObjectType]]:
        """The possible types, those together on which fragments with these conditions cost the same."""
        possible, classes = self._schema.get_possible_types(kind), self._weights.classes(kind)
        wide = [name for name in names if is_abstract_type(self._schema.type_map[name])]
        self._step(len(possible) * (1 + len(wide)) // _TYPES_A_STEP)
        alike: dict[tuple[Any, ...], list[GraphQLObjectType]] = {}
        for one in possible:
            own = one.name if one.name in names else None
            applying = [self._is_of(name, one) for name in wide]
            alike.setdefault((classes[one.name], own, *applying), []).append(one)
        return alike.values()

    def _conditions(self, selected: SelectionSetNode, names: set[str], visited: set[str]) -> None:
        """The types on which the fragments of a selection set depend."""
        for one in selected.selections:
            if isinstance(one, FieldNode):
                continue
            self._step()
            if isinstance(one, FragmentSpreadNode):
                if one.name.value in visited:
                    continue
                visited.add(one.name.value)
            inner = self._fragment(one)
            if inner.type_condition is not None:
                names.add(inner.type_condition.name.value)
            self._conditions(inner.selection_set, names, visited)
