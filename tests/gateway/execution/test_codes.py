"""Code that serves several documents, kept within a bound."""

from collections.abc import Callable
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

from gateway.execution import emit
from gateway.execution.emit import Codes, Source
from gateway.execution.late import PIECES_SERVE, Late

TEXT = "def complete(v, K):\n return v + {}\n"


def test_the_same_text_is_compiled_once_and_the_least_used_forgotten_first() -> None:
    codes = Codes(most=2 * len(TEXT))
    first, second = codes.of(TEXT.format(1)), codes.of(TEXT.format(2))
    assert codes.of(TEXT.format(1)) is first
    codes.of(TEXT.format(3))
    assert codes.of(TEXT.format(1)) is first
    assert codes.of(TEXT.format(2)) is not second


def test_no_more_characters_are_kept_than_the_bound() -> None:
    codes = Codes(most=1_000)
    for number in range(500):
        codes.of(TEXT.format(number))
        assert codes.characters <= 1_000
    assert codes.of(TEXT.format("9" * 2_000)).co_name == "complete"
    assert codes.characters <= 1_000


def test_functions_of_one_text_share_code_and_not_what_they_refer_to() -> None:
    made = []
    for value in ("a", "b"):
        source = Source()
        source.line(f"return {source.constant(value)}")
        made.append(source.function("complete", "v", {}))
    assert [one(None) for one in made] == ["a", "b"]
    assert made[0].__code__ is made[1].__code__


def test_code_that_differs_in_names_alone_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    codes = Codes()

    class Counted:
        def of(self, text: str) -> CodeType:
            texts.append(text)
            return codes.of(text)

    monkeypatch.setattr(emit, "_CODES", Counted())
    made = [names_written(*names) for names in (("id", "id"), ("status", "$0"), ("A0", "it's \\ here"))]
    row = SimpleNamespace(id=1, status=2, A0=3)
    found = [one([row], None) for one in made]
    assert found == [
        [({"id": 1}, ("id", 1))],
        [({"$0": 2}, ("$0", 1))],
        [({"it's \\ here": 3}, ("it's \\ here", 1))],
    ]
    assert len(set(texts)) == 1


def names_written(attribute: str, key: str) -> Callable[..., Any]:
    """A function whose text has names of both kinds, inside a comprehension and in a constant tuple."""
    source = Source()
    held, label, step = source.attribute(attribute), source.text(key), source.text(key)
    source.line(f"return [({{{label}: row.{held}}}, ({step}, 1)) for row in rows]")
    made: Callable[..., Any] = source.function("complete", "rows, x", {})
    return made


def test_what_is_written_late_is_in_pieces_first_and_a_whole_where_it_is_called_again() -> None:
    written: list[bool] = []

    def write(in_pieces: bool) -> Callable[[Any, Any, Any], Any]:
        written.append(in_pieces)
        return lambda value, run, path: (value, in_pieces)

    one = Late(write)
    assert written == []
    found = [one.complete(call, None, None) for call in range(PIECES_SERVE + 2)]
    assert found == [(call, call < PIECES_SERVE) for call in range(PIECES_SERVE + 2)]
    assert written == [True, False]
