"""What generated code calls where a value is not what it usually is: it is looked at closely, or told."""

from collections.abc import Sequence
from typing import Any

from graphql import FieldNode, GraphQLNonNull
from graphql.pyutils import inspect

from gateway.execution.run import Run
from resolvers.field import LinkedPath
from schema.field import ElementField
from schema.scalars import as_recorded

Steps = tuple[tuple[str | None, bool], ...]
"""How a place is reached: by response keys, None for a position in a list; whether null may not be there."""


class Odd:
    """One place of a document. Code says where the function began and the positions in lists on the way, so
    that the path is only made where it is needed. `kind` is the place's GraphQL type where its value is to be
    completed, `field` the element that it shows."""

    __slots__ = ("_field", "_kind", "_nodes", "_steps")

    def __init__(
        self, nodes: Sequence[FieldNode], steps: Steps, kind: Any, field: ElementField | None
    ) -> None:
        self._nodes = nodes
        self._steps = steps
        self._kind = kind
        self._field = field

    def _path(self, path: LinkedPath, indices: Sequence[int]) -> LinkedPath:
        left = iter(indices)
        for key, is_required in self._steps:
            step = next(left) if key is None else key
            path = (path, step, 1) if is_required else (path, step)
        return path

    def fail(self, run: Run, error: Exception, path: LinkedPath, *indices: int) -> None:
        """Tells an error; what stands there is null."""
        run.fail(error, self._path(path, indices), self._nodes)

    def absent(self, run: Run, path: LinkedPath, *indices: int) -> None:
        """Null stands where it may not."""
        run.absent(self._path(path, indices), self._nodes)

    def checked(self, run: Run, value: Any, holder: Any, path: LinkedPath, *indices: int) -> Any:
        """An element's value that is not of the plain shape."""
        assert self._field is not None
        return run.checked(self._field, value, holder, self._path(path, indices), self._nodes)

    def misshapen(self, run: Run, holder: Any, path: LinkedPath, *indices: int) -> None:
        """A list element that is no list."""
        assert self._field is not None
        run.misshapen(self._field, holder, self._path(path, indices), self._nodes)

    def listed(self, run: Run, value: Any, path: LinkedPath, *indices: int) -> list[Any] | None:
        """The items of what should be a list and is none."""
        return run.listed(value, self._path(path, indices), self._nodes)

    def leaf(self, run: Run, value: Any, path: LinkedPath, *indices: int) -> Any:
        """A scalar or enum, completed as CompleteValue says (GraphQL 6.4.3): an error is told and null, null
        is told where it may not be."""
        inner = self._kind.of_type if isinstance(self._kind, GraphQLNonNull) else self._kind
        try:
            if isinstance(value, BaseException):
                self.fail(run, value, path, *indices)  # type: ignore[arg-type]
                return None
            if value is not None:
                return value if inner.serialize is as_recorded else _serialized(inner, value)
        except Exception as error:  # noqa: BLE001  told at its field
            self.fail(run, error, path, *indices)
            return None
        if inner is not self._kind:
            self.absent(run, path, *indices)
        return None


def _serialized(kind: Any, value: Any) -> Any:
    """The result of a value (CoerceResult, 6.4.3). Raises what the scalar raises; TypeError for null."""
    made = kind.serialize(value)
    if made is None:
        raise TypeError(
            f"Expected `{kind.name}.coerce_output_value({inspect(value)})`"
            " to return non-nullable value, returned: None"
        )
    return made
