"""The set of trusted documents: read, checked against the schema and prepared as a whole, or not at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from graphql import GraphQLSyntaxError, OperationDefinitionNode, parse

from gateway.document_errors import DocumentRefused
from gateway.documents import Key, document_hash
from gateway.persisted.manifests import Handed, TrustedDocumentsInvalid, handed_in, trusted_files
from gateway.persisted.names import text_hash
from gateway.persisted.settings import DocumentSettings
from gateway.prepare import Preparation, PreparedDocument

PROBLEMS_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """Texts by every id that they have, the texts themselves, and what was prepared of them. `count`: how
    many documents were handed in."""

    by_id: Mapping[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    prepared: Mapping[Key, PreparedDocument] = field(default_factory=dict)
    count: int = 0


def read_trusted(settings: DocumentSettings, preparation: Preparation) -> TrustedSet:
    """The trusted documents, prepared; raises `TrustedDocumentsInvalid` with all that is wrong."""
    if not settings.has_trusted:
        return TrustedSet()
    reading = _Reading(preparation)
    for path in trusted_files(settings):
        reading.read(path, settings.folder)
    return reading.result()


class _Reading:
    """One pass over the files."""

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        self._by_id: dict[str, str] = {}
        self._prepared: dict[Key, PreparedDocument] = {}
        self._problems: list[str] = []
        self._count = 0

    def read(self, path: Path, folder: Path | None) -> None:
        try:
            for one in handed_in(path, folder):
                self._take(one)
        except TrustedDocumentsInvalid as problem:
            self._problems += problem.problems

    def result(self) -> TrustedSet:
        if not self._by_id and not self._problems:
            self._problems.append("there are no trusted documents where `[documents]` says that they are")
        if self._problems:
            untold = len(self._problems) - PROBLEMS_TOLD
            more = [f"and {untold} more of the trusted documents cannot be used"] if untold > 0 else []
            raise TrustedDocumentsInvalid(*self._problems[:PROBLEMS_TOLD], *more)
        return TrustedSet(self._by_id, frozenset(self._by_id.values()), self._prepared, self._count)

    def _take(self, handed: Handed) -> None:
        self._count += handed.id is not None
        for id_ in (text_hash(handed.text), handed.id or text_hash(handed.text)):
            known = self._by_id.setdefault(id_, handed.text)
            if known != handed.text:
                self._problems.append(f"{handed.where}: another document has the id {id_}")
                return
        try:
            self._prepared.update(_prepared(handed.text, self._preparation))
        except DocumentRefused as problem:
            self._problems.append(f"{handed.where}: {problem}")


def _prepared(text: str, preparation: Preparation) -> Iterator[tuple[Key, PreparedDocument]]:
    names = _operation_names(text)
    for name in names or [None]:
        made = preparation.prepare(text, name, document_hash(text, name))
        yield (text, name), made
        if len(names) == 1 and name is not None:  # the name may be left out: the same, under another hash
            yield (text, None), replace(made, hash=document_hash(text, None))


def _operation_names(text: str) -> list[str | None]:
    try:
        definitions = parse(text).definitions
    except (GraphQLSyntaxError, RecursionError):
        return []  # the preparation says what is wrong
    operations = (one for one in definitions if isinstance(one, OperationDefinitionNode))
    return [one.name.value if one.name is not None else None for one in operations]
