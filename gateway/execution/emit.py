"""Python source for a projection: lines, fresh names, and the constants it refers to."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from types import CodeType, FunctionType, TracebackType
from typing import Any, Final

CHARACTERS_KEPT: Final = 2_000_000
"""Of the texts whose code is kept, for all documents together: about 10 MB with the code."""

NAMED_KEPT: Final = 2_000
"""Codes with the names of one document, kept for its like."""

_CONSTANTS: Final = "K"


class Source:
    """One function's source under construction.

    `constants` are what it refers to besides its parameters. They are handed to the function as a default,
    and names (`attribute`, `text`) are put into its code, so that its text says nothing of the document:
    where another one is built alike, its code serves again. `unpacks`: it is called seldom and refers to
    constants often. `in_pieces`: each object has a function of its own, so that more code serves again.
    """

    def __init__(self, *, unpacks: bool = False, in_pieces: bool = False) -> None:
        self._unpacks = unpacks
        self.in_pieces = in_pieces
        self._lines: list[str] = []
        self.depth = 1
        """How deep the present block is nested."""
        self._count = 0
        self.constants: list[Any] = []
        self._names: dict[int, str] = {}
        self._said: list[tuple[str, str]] = []

    def line(self, text: str) -> None:
        """One statement at the present indentation."""
        self._lines.append(" " * self.depth + text)

    def block(self, head: str) -> "_Block":
        """An indented block under `head`; it must not stay empty."""
        self._lines.append(" " * self.depth + head)
        return _Block(self)

    def fresh(self, prefix: str = "t") -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def attribute(self, name: str) -> str:
        """What stands in the text for the name of an attribute."""
        place = f"A{len(self._said)}"
        self._said.append((place, name))
        return place

    def text(self, said: str) -> str:
        """An expression for a text. The same text is another one each time: whether two are equal must not
        tell documents apart."""
        place = f"${len(self._said)}"
        self._said.append((place, said))
        return f"'{place}'"

    def constant(self, value: Any) -> str:
        """An expression by which the code finds a value."""
        if value is None:
            return "None"
        name = self._names.get(id(value))
        if name is None:
            place = len(self.constants)
            name = self._names[id(value)] = f"C{place}" if self._unpacks else f"{_CONSTANTS}[{place}]"
            self.constants.append(value)
        return name

    def function(self, name: str, parameters: str, namespace: Mapping[str, Any]) -> Any:
        """The finished function. `namespace` becomes its globals: one that lives as long as the program."""
        lines = [f"def {name}({parameters}, {_CONSTANTS}):", *self._lines, ""]
        if self._unpacks and self.constants:
            lines.insert(1, f" {', '.join(self._names.values())}, = {_CONSTANTS}")
        text = "\n".join(lines)
        code = _named(text, tuple(self._said))
        return FunctionType(code, namespace, name, (tuple(self.constants),))  # type: ignore[arg-type]


class _Block:
    """Indents what is written while it is entered."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> None:
        self._source.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.depth -= 1


class Codes:
    """The code of functions by their text, the least recently used forgotten first; for several threads."""

    def __init__(self, most: int = CHARACTERS_KEPT) -> None:
        self._most = most
        self._characters = 0
        self._known: OrderedDict[str, CodeType] = OrderedDict()
        self._lock = Lock()

    @property
    def characters(self) -> int:
        """How many characters of texts are kept."""
        return self._characters

    def of(self, text: str) -> CodeType:
        """The code of the one function that a text defines."""
        with self._lock:
            known = self._known.get(text)
            if known is not None:
                self._known.move_to_end(text)
                return known
        module = compile(text, "<projection>", "exec")  # our own text, no client's
        made = next(one for one in module.co_consts if isinstance(one, CodeType))
        self._keep(text, made)
        return made

    def _keep(self, text: str, made: CodeType) -> None:
        with self._lock:
            if text in self._known:
                return
            self._known[text] = made
            self._characters += len(text)
            while self._characters > self._most:
                forgotten, _ = self._known.popitem(last=False)
                self._characters -= len(forgotten)


_CODES: Final = Codes()


@lru_cache(maxsize=NAMED_KEPT)
def _named(text: str, said: tuple[tuple[str, str], ...]) -> CodeType:
    """The code of a text with the names that it leaves open."""
    return _filled(_CODES.of(text), dict(said))


def _filled(code: CodeType, said: Mapping[str, str]) -> CodeType:
    return code.replace(
        co_names=tuple([said.get(one, one) for one in code.co_names]),
        co_consts=tuple([_constant(one, said) for one in code.co_consts]),
    )


def _constant(value: Any, said: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return said.get(value, value)
    if isinstance(value, tuple):
        return tuple([_constant(one, said) for one in value])
    return _filled(value, said) if isinstance(value, CodeType) else value
