"""Python source for a projection: lines, fresh names, and the constants it refers to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """One function's source under construction. `constants` become the function's globals."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 1
        self._count = 0
        self.constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def line(self, text: str) -> None:
        """One statement at the present indentation."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """An indented block under `head`."""
        self.line(head)
        before = len(self._lines)
        self._depth += 1
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1

    @property
    def depth(self) -> int:
        """How deep the present block is nested."""
        return self._depth

    def fresh(self, prefix: str = "t") -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, value: Any) -> str:
        """The name under which the code finds a value."""
        name = self._names.get(id(value))
        if name is None:
            name = f"C{len(self.constants)}"
            self.constants[name] = value
            self._names[id(value)] = name
        return name

    def function(self, name: str, parameters: str, namespace: dict[str, Any]) -> Any:
        """The finished function."""
        text = f"def {name}({parameters}):\n" + "\n".join(self._lines) + "\n"
        scope = {**namespace, **self.constants}
        exec(compile(text, f"<projection {name}>", "exec"), scope)  # noqa: S102  our own text, no client's
        return scope.pop(name)  # else the function and its globals would hold each other
