"""What a search asks of one parameter, before it is compiled to a test."""

from collections.abc import Callable
from dataclasses import dataclass

from clinical.parameters import SearchParameter
from clinical.paths import Typed

Test = Callable[[Typed], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """The alternatives (escapes still in), the modifier, and the source's base URL where it is known."""

    parameter: SearchParameter
    values: tuple[str, ...]
    modifier: str | None
    base_url: str | None
