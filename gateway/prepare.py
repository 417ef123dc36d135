"""From a document's text to what can be executed: parse, limits, choice of the operation, validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    SelectionNode,
    VariableNode,
    parse,
    validate,
)

from gateway.cost.analysis import Analysis, analyse
from gateway.cost.weights import Weights
from gateway.document_errors import (
    DocumentInvalid,
    DocumentUnparsable,
    OperationNotAllowed,
    OperationUnknown,
)
from gateway.document_limits import LimitSettings, Size, check_operation, check_text

ERRORS_SHOWN: Final = 20
INTROSPECTION_FIELDS: Final = frozenset({"__schema", "__type"})
CONDITIONS: Final = frozenset({"skip", "include"})

Kind = Literal["query", "mutation", "subscription"]

PlanKey = tuple[tuple[bool, ...], frozenset[str]]
"""The values of a document's `conditions`, and which of its coordinates are denied."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PreparedDocument:
    """A document that passed every check which needs no principal and no variables.

    `hash` is the SHA-256 (hex) of text and operation name. `introspects`: it asks about the schema
    somewhere, `is_about_schema`: and for nothing else. `conditions` are the variables in `@skip` and
    `@include`; `cost` is what it costs, where that is told (`gateway.cost`). `size`: for
    tiers with narrower limits than it was prepared under. The executor keeps its plans in `plans`, and
    whatever else is made of the document is in `kept`.
    """

    hash: str
    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    kind: Kind
    introspects: bool = False
    is_about_schema: bool = False
    conditions: tuple[str, ...] = ()
    cost: Analysis | None = None
    size: Size = field(default_factory=Size)
    plans: dict[PlanKey, Any] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)
    admissions: dict[int, Any] = field(default_factory=dict)
    """What has been decided on callers with this document (`gateway.pipeline`), by the callers' `id`."""
    operation_name: str | None = field(init=False)
    """The name that the operation has in the document."""

    def __post_init__(self) -> None:
        name = self.operation.name
        object.__setattr__(self, "operation_name", None if name is None else name.value)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What documents are prepared against. `weights`: by which their costs are told, None for not at all."""

    schema: GraphQLSchema
    limits: LimitSettings
    introspection: bool = True
    weights: Weights | None = None

    def prepare(self, text: str, operation_name: str | None, hash_: str) -> PreparedDocument:
        """The prepared document; raises `DocumentRefused`."""
        tokens = check_text(text, self.limits)
        document = _parsed(text)
        operation = chosen_operation(document, operation_name)
        extent = check_operation(document, operation, self.limits)
        survey = _Survey(document)
        if survey.introspects and not self.introspection:
            raise OperationNotAllowed.because("Introspection is switched off.")
        self._validate(document)
        fragments = fragments_of(document)
        cost = analyse(self.weights, operation, fragments) if self.weights is not None else None
        _unlink(document)
        return PreparedDocument(
            hash=hash_,
            document=document,
            operation=operation,
            fragments=fragments,
            kind=operation.operation.value,
            introspects=survey.introspects,
            is_about_schema=_is_about_schema(operation),
            conditions=tuple(sorted(survey.conditions)),
            cost=cost,
            size=Size(len(text), tokens, extent),
        )

    def _validate(self, document: DocumentNode) -> None:
        # A suggestion ("Did you mean ...?") is introspection by another door.
        errors = validate(
            self.schema, document, max_errors=ERRORS_SHOWN, hide_suggestions=not self.introspection
        )
        if errors:
            raise DocumentInvalid(*errors)


def chosen_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """GetOperation of the GraphQL specification (section 6.1); raises `OperationUnknown`."""
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is not None:
        named = [one for one in operations if one.name is not None and one.name.value == name]
        if not named:
            raise OperationUnknown.because("The document has no operation of the name in operationName.")
        return named[0]
    if not operations:
        raise OperationUnknown.because("The document has no operation.")
    if len(operations) > 1:
        raise OperationUnknown.because("The document has several operations: operationName must name one.")
    return operations[0]


def fragments_of(document: DocumentNode) -> Mapping[str, FragmentDefinitionNode]:
    """The fragments of a document by name."""
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}


def _parsed(text: str) -> DocumentNode:
    try:
        return parse(text)
    except GraphQLSyntaxError as problem:
        raise DocumentUnparsable(problem) from None


def _unlink(document: DocumentNode) -> None:
    """Lets tokens lead forwards only: a document whose tokens hold each other would be left to the garbage
    collector when it is forgotten."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        token.prev = None
        token = token.next


def _is_about_schema(operation: OperationDefinitionNode) -> bool:
    fields = operation.selection_set.selections
    return all(isinstance(one, FieldNode) and one.name.value in INTROSPECTION_FIELDS for one in fields)


class _Survey:
    """What a document holds: introspection, and variables on which its selections depend."""

    def __init__(self, document: DocumentNode) -> None:
        self.introspects = False
        self.conditions: set[str] = set()
        pending: list[Any] = [getattr(one, "selection_set", None) for one in document.definitions]
        while pending:
            selected = pending.pop()
            for one in selected.selections if selected is not None else ():
                self._note(one)
                if not isinstance(one, FragmentSpreadNode):
                    pending.append(one.selection_set)

    def _note(self, one: SelectionNode) -> None:
        if isinstance(one, FieldNode) and one.name.value in INTROSPECTION_FIELDS:
            self.introspects = True
        for directive in one.directives or ():
            if directive.name.value in CONDITIONS:
                values = (argument.value for argument in directive.arguments or ())
                self.conditions.update(
                    value.name.value for value in values if isinstance(value, VariableNode)
                )
