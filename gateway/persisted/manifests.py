"""Trusted documents as client teams hand them in: files of GraphQL, and the manifests of code generators.

- a folder of `.graphql` (or `.gql`) files, each a whole document with its fragments. Its ids are the SHA-256
  of the file and of the file without the white space at its end, and its place in the folder with dots:
  `portal/summary.graphql` is `portal.summary`;
- `{id: text}`: Relay's `persistConfig.file` (ids are MD5), graphql-codegen's client preset (SHA-1, SHA-256);
- Apollo's `apollo-persisted-query-manifest`, version 1.

Manifests (`.json`) may also lie in the folder. Names that begin with a dot are left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.persisted.names import is_hash, normal_id, text_hash
from gateway.persisted.settings import DocumentSettings

APOLLO: Final = "apollo-persisted-query-manifest"
TEXTS: Final = frozenset({".graphql", ".gql"})
MANIFESTS: Final = frozenset({".json"})


class TrustedDocumentsInvalid(Exception):
    """The trusted documents cannot be used. `problems` are sentences, each with its file."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Handed(msgspec.Struct, frozen=True):
    """One document as it was handed in. `id` is what it is called besides the SHA-256 of `text`; the second
    form of a file has none."""

    text: str
    id: str | None
    where: str


def trusted_files(settings: DocumentSettings) -> list[Path]:
    """Every file that holds trusted documents, in a fixed order; raises `TrustedDocumentsInvalid`."""
    folder = settings.folder
    if folder is None:
        return list(settings.manifests)
    if not folder.is_dir():
        raise TrustedDocumentsInvalid(f"`documents.folder`: there is no folder {folder}")
    found = sorted(path for path in folder.rglob("*") if path.suffix in TEXTS | MANIFESTS)
    shown = (one for one in found if not any(part.startswith(".") for part in one.relative_to(folder).parts))
    return [*shown, *settings.manifests]


def handed_in(path: Path, folder: Path | None) -> list[Handed]:
    """The documents in one file; raises `TrustedDocumentsInvalid`."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise TrustedDocumentsInvalid(f"{path}: cannot be read: {why}") from None
    if path.suffix in TEXTS and folder is not None and path.is_relative_to(folder):
        return _of_file(text, path, folder)
    return [_checked(one) for one in _of_manifest(text, path)]


def _of_file(text: str, path: Path, folder: Path) -> list[Handed]:
    name = ".".join(path.relative_to(folder).with_suffix("").parts)
    if normal_id(name) != name:
        raise TrustedDocumentsInvalid(
            f"{path}: its name is to be an id: letters, digits and the signs - . _ ~ may stand in it"
        )
    forms = dict.fromkeys((text, text.rstrip()))
    return [Handed(form, name if form == text else None, str(path)) for form in forms]


def _of_manifest(text: str, path: Path) -> Iterator[Handed]:
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise TrustedDocumentsInvalid(f"{path}: this is not JSON") from None
    if not isinstance(decoded, dict):
        raise TrustedDocumentsInvalid(f"{path}: a manifest is a JSON object")
    rows = _of_apollo(decoded, path) if "format" in decoded else decoded.items()
    for id_, body in rows:
        if not isinstance(id_, str) or not isinstance(body, str):
            raise TrustedDocumentsInvalid(f"{path}: a manifest has the text of a document behind each id")
        yield Handed(body, id_, f"{path}, document {id_}")


def _of_apollo(decoded: dict[str, Any], path: Path) -> Iterator[tuple[Any, Any]]:
    kind, version = decoded.get("format"), decoded.get("version")
    if kind != APOLLO or version != 1:
        raise TrustedDocumentsInvalid(f'{path}: a manifest with a format is "{APOLLO}", version 1')
    operations = decoded.get("operations")
    if not isinstance(operations, list):
        raise TrustedDocumentsInvalid(f"{path}: `operations` must be a list")
    for one in operations:
        if not isinstance(one, dict):
            raise TrustedDocumentsInvalid(f"{path}: each of `operations` must be an object")
        yield one.get("id"), one.get("body")


def _checked(handed: Handed) -> Handed:
    """With its ids in the form in which ids are compared."""
    name = normal_id(handed.id or "")
    if name is None:
        raise TrustedDocumentsInvalid(f"{handed.where}: this is no id of a document")
    if is_hash(name) and name != text_hash(handed.text):
        raise TrustedDocumentsInvalid(
            f"{handed.where}: the id has the form of a SHA-256 and is not that of the text"
        )
    return Handed(handed.text, name, handed.where)
