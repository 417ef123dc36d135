"""Trusted documents are taken as client teams hand them in, as a whole or not at all."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.document_limits import LimitSettings
from gateway.persisted.manifests import TrustedDocumentsInvalid
from gateway.persisted.names import text_hash
from gateway.persisted.settings import DocumentSettings
from gateway.persisted.trusted import PROBLEMS_TOLD, TrustedSet, read_trusted
from gateway.prepare import Preparation
from tests.gateway.front_door import SCHEMA

A, B = "query A { hello }", "query B { long }"
PREPARATION = Preparation(SCHEMA, LimitSettings(), introspection=False)


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def apollo(*operations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": list(operations),
        **changes,
    }


def operation(text: str, **changes: Any) -> dict[str, Any]:
    return {"id": text_hash(text), "name": text[6], "type": "query", "body": text, **changes}


def read(place: Path, manifest: Any, **settings: Any) -> TrustedSet:
    file = place / "manifest.json"
    file.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    return read_trusted(DocumentSettings(manifests=(file,), **settings), PREPARATION)


def problem(folder: Path, manifest: Any) -> str:
    with pytest.raises(TrustedDocumentsInvalid) as refused:
        read(folder, manifest)
    return str(refused.value)


@pytest.mark.parametrize(
    ("manifest", "ids"),
    [
        pytest.param({md5(A): A, md5(B): B}, [md5(A), md5(B)], id="Relay"),
        pytest.param({sha1(A): A, sha1(B): B}, [sha1(A), sha1(B)], id="graphql-codegen"),
        pytest.param({text_hash(A): A, text_hash(B): B}, [], id="graphql-codegen with SHA-256"),
        pytest.param({f"sha256:{text_hash(A)}": A, "x-build:7": B}, ["x-build:7"], id="prefixes"),
        pytest.param(apollo(operation(A), operation(B)), [], id="Apollo"),
        pytest.param(apollo(operation(A, id="a"), operation(B, id="b")), ["a", "b"], id="Apollo, own ids"),
    ],
)
def test_manifests_of_code_generators_are_read(tmp_path: Path, manifest: Any, ids: list[str]) -> None:
    found = read(tmp_path, manifest)
    assert set(found.by_id) == {text_hash(A), text_hash(B), *ids}
    assert (found.texts, found.count) == ({A, B}, 2)
    assert set(found.prepared) == {(A, "A"), (A, None), (B, "B"), (B, None)}


def test_a_folder_may_hold_documents_and_manifests_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.graphql").write_text("{ nonsense")
    (tmp_path / ".draft.graphql").write_text("{ nonsense")
    (tmp_path / "README.md").write_text("not a document")
    (tmp_path / "a.graphql").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text(A + "\n")
    (tmp_path / "relay.json").write_text(json.dumps({md5(B): B}))
    found = read_trusted(DocumentSettings(folder=tmp_path), PREPARATION)
    assert set(found.by_id) == {"a", text_hash(A), text_hash(A + "\n"), text_hash(B), md5(B)}
    assert found.count == 2


def test_one_document_may_have_many_ids_and_stand_in_many_files(tmp_path: Path) -> None:
    (tmp_path / "a.graphql").write_text(A)
    found = read(tmp_path, {md5(A): A, sha1(A): A}, folder=tmp_path)
    assert set(found.by_id) == {"a", text_hash(A), md5(A), sha1(A)}


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("{", "manifest.json: this is not JSON"),
        ([], "a manifest is a JSON object"),
        ({"id": 5}, "a manifest has the text of a document behind each id"),
        ({"format": "other", "version": 1}, "apollo-persisted-query-manifest"),
        (apollo(version=2), "version 1"),
        (apollo(operations={}), "`operations` must be a list"),
        (apollo("text"), "each of `operations` must be an object"),  # type: ignore[arg-type]
        (apollo({"name": "A", "body": A}), "behind each id"),
        ({"no id": A}, "manifest.json, document no id: this is no id of a document"),
        ({"md5:abc": A}, "document md5:abc: this is no id of a document"),
        ({"": A}, "this is no id of a document"),
        ({"x" * 300: A}, "this is no id of a document"),
        ({text_hash(B): A}, "has the form of a SHA-256 and is not that of the text"),
        ({"a": "query A { hello"}, "manifest.json, document a: Syntax Error"),
        ({"a": "query A { nothing }"}, "document a: Cannot query field 'nothing' on type 'Query'."),
        ({"a": "fragment F on Query { hello }"}, "document a: The document has no operation."),
        ({"a": "{ __schema { types { name } } }"}, "document a: Introspection is switched off."),
        ({"a": "mutation { hello }"}, "document a: "),
        ({"a": "{ hello }" + " " * 20_000}, "document a: The document has more than 15000 characters"),
        ({}, "there are no trusted documents"),
        (apollo(), "there are no trusted documents"),
    ],
)
def test_a_bad_set_names_file_and_reason(tmp_path: Path, manifest: Any, told: str) -> None:
    assert told in problem(tmp_path, manifest)


def test_an_id_of_two_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"a": A}))
    (tmp_path / "two.json").write_text(json.dumps({"a": B}))
    with pytest.raises(TrustedDocumentsInvalid, match=r"two.json, document a: another document has the id a"):
        read_trusted(DocumentSettings(folder=tmp_path), PREPARATION)


def test_all_problems_are_told_at_once_and_not_too_many(tmp_path: Path) -> None:
    told = problem(tmp_path, {f"a{number}": "{ nothing }" for number in range(PROBLEMS_TOLD + 5)})
    assert told.count("Cannot query field") == PROBLEMS_TOLD
    assert "and 5 more" in told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"folder": Path("absent")}, "`documents.folder`: there is no folder"),
        ({"manifests": (Path("absent.json"),)}, "absent.json: cannot be read: No such file"),
    ],
)
def test_what_is_not_there_is_told(settings: Any, told: str) -> None:
    with pytest.raises(TrustedDocumentsInvalid, match=told):
        read_trusted(DocumentSettings(**settings), PREPARATION)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"query A { hello \x80 }"])
def test_a_file_that_is_no_text_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.graphql").write_bytes(content)
    with pytest.raises(TrustedDocumentsInvalid, match=r"a.graphql: cannot be read: it is not UTF-8"):
        read_trusted(DocumentSettings(folder=tmp_path), PREPARATION)


def test_a_file_is_called_by_what_may_be_an_id(tmp_path: Path) -> None:
    (tmp_path / "two words.graphql").write_text(A)
    with pytest.raises(TrustedDocumentsInvalid, match="its name is to be an id"):
        read_trusted(DocumentSettings(folder=tmp_path), PREPARATION)


def test_nothing_is_read_where_nothing_is_handed_in() -> None:
    assert read_trusted(DocumentSettings(), PREPARATION) == TrustedSet()
