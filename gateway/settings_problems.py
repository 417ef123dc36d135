"""Mistakes in gateway.toml, as sentences that an operator understands."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from inspect import isclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_SECRET: Final = re.compile(r"(?:^|_)(?:secret|password|passphrase|token|key|credential)s?$", re.IGNORECASE)


def sentences(
    problem: ValidationError, written: Mapping[str, Any], model: type[BaseModel]
) -> tuple[str, ...]:
    """One sentence for each mistake, each said once."""
    known = _tables(model)
    errors = problem.errors()
    wrong = {error["loc"] for error in errors}
    told = [error for error in errors if not _is_echo(error, wrong)]
    return tuple(dict.fromkeys(_sentence(error, written, known) for error in told))


def _is_echo(error: ErrorDetails, wrong: set[tuple[str | int, ...]]) -> bool:
    """A list counts as empty when its entries are wrong; the entries' own sentences say enough."""
    place = error["loc"]
    return error["type"] == "too_short" and any(loc[: len(place)] == place and loc != place for loc in wrong)


def _sentence(error: ErrorDetails, written: Mapping[str, Any], known: Mapping[str, set[str]]) -> str:
    path, table = _where(error["loc"], written, is_absent=error["type"] == "missing")
    where = f"`{path}`"
    if error["type"] == "extra_forbidden":
        return _unknown_key(where, str(error["loc"][-1]), error["input"], known.get(table, set()))
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "too_short":
        return f"{where} is empty: at least one is needed"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _unknown_key(where: str, key: str, value: Any, known: set[str]) -> str:
    if _SECRET.search(key) and isinstance(value, str):
        return (
            f"{where} looks like a secret, which does not belong in this file: "
            "put it in the secrets directory or in an environment variable (docs/settings.md has the names)"
        )
    close = get_close_matches(key, sorted(known), n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return f"{where} is not a known setting{hint}"


def _where(location: tuple[str | int, ...], written: Any, *, is_absent: bool) -> tuple[str, str]:
    """The place in the file (`upstreams[1] (gp).timeout_s`), and the table that holds it (`upstreams`).

    The names of variants, which pydantic puts in between and at the end, are left out. `is_absent`: the last
    name is of a key that is not there.
    """
    path, tables, value = "", [], written
    for position, part in enumerate(location):
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
            name = value.get("name") if isinstance(value, dict) else None
            path += f"[{part}]" + (f" ({name})" if isinstance(name, str) else "")
        elif isinstance(value, dict) and (part in value or (is_absent and position == len(location) - 1)):
            value = value.get(part)
            path += ("." if path else "") + part
            tables.append(part)
    return path, ".".join(tables[:-1])


def _tables(model: type[BaseModel], path: str = "") -> dict[str, set[str]]:
    """The keys that each table may hold, by the table's dotted path."""
    tables = {path: set(model.model_fields)}
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            for place, keys in _tables(inner, f"{path}.{name}".lstrip(".")).items():
                tables[place] = tables.get(place, set()) | keys
    return tables


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
