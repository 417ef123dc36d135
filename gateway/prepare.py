"""From a document's text to what can be executed: parse, limits, choice of the operation, validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    Visitor,
    parse,
    validate,
    visit,
)

from gateway.document_errors import (
    DocumentInvalid,
    DocumentUnparsable,
    OperationNotAllowed,
    OperationUnknown,
)
from gateway.document_limits import LimitSettings, check_operation, check_text

ERRORS_SHOWN: Final = 20
INTROSPECTION_FIELDS: Final = frozenset({"__schema", "__type"})

Kind = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedDocument:
    """A document that passed every check which needs no principal and no variables.

    `hash` is the SHA-256 (hex) of text and operation name: what a compiled plan is kept under.
    """

    hash: str
    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    kind: Kind
    introspects: bool = False

    @property
    def operation_name(self) -> str | None:
        """The name that the operation has in the document."""
        return self.operation.name.value if self.operation.name else None


@dataclass(frozen=True, slots=True)
class Preparation:
    """What documents are prepared against."""

    schema: GraphQLSchema
    limits: LimitSettings
    introspection: bool = True

    def prepare(self, text: str, operation_name: str | None, hash_: str) -> PreparedDocument:
        """The prepared document; raises `DocumentRefused`."""
        check_text(text, self.limits)
        document = _parsed(text)
        operation = chosen_operation(document, operation_name)
        check_operation(document, operation, self.limits)
        introspects = _introspects(document)
        if introspects and not self.introspection:
            raise OperationNotAllowed.because("Introspection is switched off.")
        self._validate(document)
        return PreparedDocument(
            hash=hash_,
            document=document,
            operation=operation,
            fragments=fragments_of(document),
            kind=operation.operation.value,
            introspects=introspects,
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


class _IntrospectionSeen(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.seen = self.seen or node.name.value in INTROSPECTION_FIELDS


def _introspects(document: DocumentNode) -> bool:
    visitor = _IntrospectionSeen()
    visit(document, visitor)
    return visitor.seen
