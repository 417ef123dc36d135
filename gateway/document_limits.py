"""How much one document may ask for, found out before validation gets slow.

Counts go through fragments: a fragment spread ten times counts ten times. Each fragment is
counted once and its numbers are reused, so that fragments which spread each other 2^16 times
are refused as fast as any other document.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    Lexer,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Source,
    TokenKind,
)
from pydantic import BaseModel, ConfigDict, Field

from gateway.document_errors import DocumentInvalid, DocumentLimitExceeded, DocumentUnparsable
from resolvers.question import FIRST_MAX

FIRST_MOST: Final = 1_000
"""Rows of a list at once, whatever is configured."""


class LimitSettings(BaseModel):
    """The `[limits]` table: what one document may ask for. `max_first`: how many rows, or ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_characters: int = Field(15_000, ge=1)
    max_tokens: int = Field(1_000, ge=1)
    max_depth: int = Field(15, ge=1)
    max_aliases: int = Field(30, ge=0)
    max_directives: int = Field(50, ge=0)
    max_root_fields: int = Field(10, ge=1)
    max_fields: int = Field(10_000, ge=1)
    """Fields after fragments are spread: fewer than 2^16, far more than a document by hand has."""
    max_first: int = Field(FIRST_MAX, ge=1, le=FIRST_MOST)
    max_variables_bytes: int = Field(65_536, ge=2)


Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]


class TierLimits(BaseModel):
    """`[ratelimit.tiers.limits]`: limits that are others in one tier; those of `[limits]` where none is said.
    The size of variables is not among them: it is looked at before the caller is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_characters: Positive | None = None
    max_tokens: Positive | None = None
    max_depth: Positive | None = None
    max_aliases: Natural | None = None
    max_directives: Natural | None = None
    max_root_fields: Positive | None = None
    max_fields: Positive | None = None
    max_first: Annotated[int, Field(ge=1, le=FIRST_MOST)] | None = None

    def over(self, general: LimitSettings) -> LimitSettings:
        """The limits that hold in the tier."""
        return general.model_copy(update=self.model_dump(exclude_none=True))


def widest(limits: Iterable[LimitSettings]) -> LimitSettings:
    """What anybody may ask for: by it documents are prepared, which all tiers share."""
    every = [one.model_dump() for one in limits]
    return LimitSettings(**{name: max(one[name] for one in every) for name in every[0]})


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of a selection set with its fragments spread out. `root_fields` are those at its top."""

    depth: int = 0
    fields: int = 0
    root_fields: int = 0
    aliases: int = 0
    directives: int = 0

    def beside(self, other: "Extent") -> "Extent":
        """The extent of two neighbours in one selection set."""
        return Extent(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.root_fields + other.root_fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
        )


_EMPTY: Final = Extent()


@dataclass(frozen=True, slots=True)
class Size:
    """All that is counted of a document."""

    characters: int = 0
    tokens: int = 0
    extent: Extent = _EMPTY


_MEASURES: Final = (
    ("depth", "max_depth", "levels of fields"),
    ("fields", "max_fields", "fields"),
    ("root_fields", "max_root_fields", "root fields"),
    ("aliases", "max_aliases", "aliases"),
    ("directives", "max_directives", "directives"),
)


def check_text(text: str, limits: LimitSettings) -> int:
    """Characters and tokens, before the parser builds anything; raises `DocumentRefused`. The tokens."""
    if len(text) > limits.max_characters:
        raise _too_long(limits.max_characters, "characters")
    lexer = Lexer(Source(text))
    try:
        for tokens in range(limits.max_tokens + 1):
            if lexer.advance().kind is TokenKind.EOF:
                return tokens
    except GraphQLSyntaxError as problem:
        raise DocumentUnparsable(problem) from None
    raise _too_long(limits.max_tokens, "tokens")


def check_operation(
    document: DocumentNode, operation: OperationDefinitionNode, limits: LimitSettings
) -> Extent:
    """Depth, fields, aliases and directives of one operation; raises `DocumentRefused`. The extent."""
    extent = measure(document, operation)
    _check_extent(extent, limits)
    return extent


def check_size(size: Size, limits: LimitSettings) -> None:
    """The same for a document that was prepared under wider limits; raises `DocumentLimitExceeded`."""
    if size.characters > limits.max_characters:
        raise _too_long(limits.max_characters, "characters")
    if size.tokens > limits.max_tokens:
        raise _too_long(limits.max_tokens, "tokens")
    _check_extent(size.extent, limits)


def _too_long(most: int, what: str) -> DocumentLimitExceeded:
    return DocumentLimitExceeded.because(
        f"The document has more than {most} {what}, which is the most allowed."
    )


def _check_extent(extent: Extent, limits: LimitSettings) -> None:
    for measure_name, limit_name, what in _MEASURES:
        most = getattr(limits, limit_name)
        if getattr(extent, measure_name) > most:
            raise DocumentLimitExceeded.because(
                f"The operation has more than {most} {what}, which is the most allowed."
            )


def measure(document: DocumentNode, operation: OperationDefinitionNode) -> Extent:
    """The extent of an operation; raises `DocumentInvalid` for fragments that spread themselves."""
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    try:
        extent = _Measuring(fragments).selection_set(operation.selection_set)
    except RecursionError:
        raise DocumentLimitExceeded.because("The document is nested too deeply.") from None
    variables = operation.variable_definitions or ()
    own = len(operation.directives or ()) + sum(len(variable.directives or ()) for variable in variables)
    return extent.beside(Extent(directives=own))


class _Measuring:
    """One walk over a document: `_known` are fragments measured, `_open` those being measured."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, Extent] = {}
        self._open: set[str] = set()

    def selection_set(self, selections: SelectionSetNode | None) -> Extent:
        depth = fields = root_fields = aliases = directives = 0
        for one in selections.selections if selections is not None else ():
            directives += len(one.directives or ())
            is_field = isinstance(one, FieldNode)
            if is_field:
                fields += 1
                root_fields += 1
                aliases += one.alias is not None  # type: ignore[attr-defined]
            inner = self._below(one)
            depth = max(depth, inner.depth + is_field)
            fields += inner.fields
            root_fields += 0 if is_field else inner.root_fields
            aliases += inner.aliases
            directives += inner.directives
        return Extent(depth, fields, root_fields, aliases, directives)

    def _below(self, selection: SelectionNode) -> Extent:
        """What a field selects, or what a fragment holds."""
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection)
        inner: SelectionSetNode | None = selection.selection_set  # type: ignore[attr-defined]
        return _EMPTY if inner is None else self.selection_set(inner)

    def _fragment(self, spread: FragmentSpreadNode) -> Extent:
        name = spread.name.value
        fragment = self._fragments.get(name)
        if fragment is None:  # validation says so, with suggestions
            return _EMPTY
        if name in self._open:
            raise DocumentInvalid(GraphQLError(f"Cannot spread fragment '{name}' within itself.", spread))
        if name not in self._known:
            self._open.add(name)
            own = Extent(directives=len(fragment.directives or ()))
            self._known[name] = own.beside(self.selection_set(fragment.selection_set))
            self._open.remove(name)
        return self._known[name]
