"""The documents state what the code does: every setting, every error code, every command, every link."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from graphql import build_schema, validate
from graphql import parse as parse_query
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from gateway import errors, settings
from tests.house.tree import ROOT, files, functions, parse, room_files, text

CODE = re.compile(r"[A-Z]{3,}(?:_[A-Z]+)+|UNAUTHENTICATED|FORBIDDEN|THROTTLED")
NUMBER = re.compile(r"\b\d{3}\b")
HEADING = re.compile(r"^#+ `\[+(?P<table>[a-z_.]+)\]+`")
ROW = re.compile(r"^\| `(?P<key>[a-z_]+)` \|")
BLOCK = re.compile(r"^```graphql\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<name>\w+)`")
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)(?P<target>[^)#\s]+)")


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings models inside a field's annotation: `tuple[Issuer, ...]`, `A | B`, `Annotated[...]`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted keys of a settings model, as they stand in gateway.toml."""
    for name, field in model.model_fields.items():
        inner = [key for part in models(field.annotation) for key in keys(part, f"{prefix}{name}.")]
        yield from inner or [f"{prefix}{name}"]


def documented_keys() -> set[str]:
    table, found = "", set()
    for line in text("docs/settings.md").splitlines():
        if heading := HEADING.match(line):
            table = heading["table"] + "."
        elif row := ROW.match(line):
            found.add(table + row["key"])
    return found


def root_model() -> type[BaseModel]:
    """The model that gateway/settings.py composes."""
    (found,) = [
        item
        for item in vars(settings).values()
        if inspect.isclass(item) and issubclass(item, BaseSettings) and item.__module__ == settings.__name__
    ]
    return found


def test_every_settings_key_is_documented_and_no_other() -> None:
    assert set(keys(root_model())) ^ documented_keys() == set()


def constants(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
        yield node.value


def stated_codes(name: str) -> Iterator[str]:
    """Codes that a file states: `code = "..."`, `code="..."`, `{"code": "..."}`."""
    for item in ast.walk(parse(name)):
        if isinstance(item, ast.Assign | ast.AnnAssign):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            if any(isinstance(target, ast.Name) and target.id == "code" for target in targets):
                yield from constants(item.value)
        elif isinstance(item, ast.keyword) and item.arg == "code":
            yield from constants(item.value)
        elif isinstance(item, ast.Dict):
            for key, value in zip(item.keys, item.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from constants(value)


def error_rows(section: str) -> dict[str, list[set[int]]]:
    """Code -> the statuses in its further cells, of one section of docs/errors.md."""
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {
        cells[0].strip("`"): [set(map(int, NUMBER.findall(cell))) for cell in cells[2:]] for cells in rows
    }


def test_every_error_code_is_documented_with_its_statuses_and_no_other() -> None:
    expected: dict[str, list[set[int]]] = {}
    for row in errors.ERROR_TABLE:
        statuses = expected.setdefault(row.code, [set(), set()])
        statuses[0].add(row.status)
        statuses[1].add(row.status_json)
    given, _ = text("docs/errors.md").split("## Reserved")
    assert error_rows(given) == expected


def test_no_room_gives_a_code_that_is_not_in_the_table() -> None:
    rooms = [name for name in room_files() if not name.startswith("sandbox/")]
    table = {row.code for row in errors.ERROR_TABLE}
    assert [(name, code) for name in rooms for code in stated_codes(name) if code not in table] == []


def test_reserved_codes_are_not_given_yet() -> None:
    _, reserved = text("docs/errors.md").split("## Reserved")
    assert set(error_rows(reserved)) & {row.code for row in errors.ERROR_TABLE} == set()


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", text("CHANGELOG.md"), flags=re.MULTILINE)


def test_links_between_documents_lead_somewhere() -> None:
    pages = [name for name in files() if name.endswith(".md")]
    lost = [
        (page, link)
        for page in pages
        for link in LINK.findall(text(page))
        if not (ROOT / Path(page).parent / link).exists()
    ]
    assert lost == []


def test_tests_that_documents_name_exist() -> None:
    named = {match for page in files() if page.endswith(".md") for match in TEST.findall(text(page))}
    known = {path: {item.name for item in functions(path)} for path, _ in named if (ROOT / path).is_file()}
    assert [(path, name) for path, name in sorted(named) if name not in known.get(path, ())] == []


def test_queries_in_documents_and_benchmarks_fit_the_schema() -> None:
    schema = build_schema(text("schema/schema.graphql"))
    blocks = [
        (page, block) for page in files() if page.endswith(".md") for block in BLOCK.findall(text(page))
    ]
    blocks += [
        (name, text(name)) for name in files() if name.startswith("bench/") and name.endswith(".graphql")
    ]
    assert len(blocks) > 3
    problems = {
        page: [error.message for error in validate(schema, parse_query(block))] for page, block in blocks
    }
    assert {page: found for page, found in problems.items() if found} == {}


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE))
    pages = (name for name in files() if name.endswith(".md"))
    named = {target for page in pages for target in re.findall(r"`make ([a-z-]+)", text(page))}
    assert named - targets == set()


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    pages = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [page[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    listed = text("docs/decisions/README.md")
    assert [page for page in pages if page not in listed] == []


def test_the_readme_is_under_two_screens() -> None:
    assert text("README.md").count("\n") <= 100
