"""The form parameters of a call, read as the documentation types them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sandbox.wearable.answers import ParamsInvalid


@dataclass(frozen=True, slots=True)
class Params:
    """A call's parameters. Each method raises ParamsInvalid where the text is not of its kind."""

    form: Mapping[str, str]

    def integer(self, name: str) -> int | None:
        """A whole number, zero or more (unix seconds, offsets, categories)."""
        text = self.form.get(name, "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise ParamsInvalid(f"Invalid Params: {name} is not a number")
        return int(text)

    def integers(self, name: str) -> frozenset[int]:
        """A list with commas of whole numbers; empty where the parameter is absent."""
        words = [word.strip() for word in self.form.get(name, "").split(",") if word.strip()]
        if not all(word.isascii() and word.isdigit() for word in words):
            raise ParamsInvalid(f"Invalid Params: {name} is not a list of numbers")
        return frozenset(map(int, words))

    def words(self, name: str) -> frozenset[str]:
        """A list with commas of names; empty where the parameter is absent."""
        return frozenset(word.strip() for word in self.form.get(name, "").split(",") if word.strip())

    def day(self, name: str) -> str | None:
        """A day as `YYYY-MM-DD`, which compares as text."""
        text = self.form.get(name, "")
        if not text:
            return None
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError as problem:
            raise ParamsInvalid(f"Invalid Params: {name} is not a date") from problem
