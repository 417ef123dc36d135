"""Numbers and quantities (R4 search 3.1.1.4.6 and 3.1.1.4.11). Units are compared, never converted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from clinical.codec import DecimalInvalid, as_decimal
from clinical.matching.question import Question, Test
from clinical.paths import Typed
from clinical.syntax import SearchValueInvalid, split_bars, split_prefix

CURRENCY_SYSTEM = "urn:iso:std:iso:4217"

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
# Wide enough that no digit of a value that fits _NUMBER is rounded away.
_EXACT = Context(prec=200)
_INFINITY = Decimal("Infinity")
_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Amount:
    """A recorded number as a range: a point, or open to one side (`<5`, a Range without a boundary)."""

    low: Decimal
    high: Decimal
    has_low: bool = True
    has_high: bool = True


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit asked for; None where any will do."""

    system: str | None
    code: str | None

    def holds(self, quantity: Mapping[str, object]) -> bool:
        if self.system:
            return quantity.get("system") == self.system and self.code in (None, quantity.get("code"))
        return self.code is None or self.code in (quantity.get("code"), quantity.get("unit"))


@dataclass(frozen=True, slots=True)
class _Asked:
    prefix: str
    number: Decimal
    unit: Unit

    def margin(self) -> Decimal:
        """Half of the last digit given: 5.4 asks for 5.35 to 5.45; `ap` allows a tenth of the value."""
        half_a_digit = Decimal((0, (5,), _exponent(self.number) - 1))
        if self.prefix != "ap":
            return half_a_digit
        return max(half_a_digit, abs(_EXACT.multiply(self.number, _TENTH)))


def compile_number(question: Question) -> Test:
    """A test whether a recorded number stands as asked to any of the values. Raises SearchValueInvalid."""
    tests = [(_comparison(asked), asked.unit) for asked in map(_asked_number, question.values)]
    return lambda found: _answers(amount_of(found.value), found.value, tests)


def compile_quantity(question: Question) -> Test:
    """As for numbers, with the unit (`5.4|system|code`, `5.4||unit`). Raises SearchValueInvalid."""
    tests = [(_comparison(asked), asked.unit) for asked in map(_asked_quantity, question.values)]

    def test(found: Typed) -> bool:
        return any(_answers(amount_of(part), part, tests) for part in _quantities(found.value))

    return test


def amount_of(value: object) -> Amount | None:
    """The range of a recorded number, Quantity, Money or Range; None where there is no number."""
    try:
        if not isinstance(value, dict):
            number = as_decimal(value)
            return Amount(number, number)
        if "low" in value or "high" in value:
            return _range(value)
        return _compared(as_decimal(value.get("value")), value.get("comparator"))
    except DecimalInvalid:
        return None


def _range(value: Mapping[str, object]) -> Amount:
    low, high = value.get("low"), value.get("high")
    if low is None and high is None:
        raise DecimalInvalid("a Range without boundaries")
    return Amount(_boundary(low, -_INFINITY), _boundary(high, _INFINITY))


def _boundary(quantity: object, unbounded: Decimal) -> Decimal:
    if quantity is None:
        return unbounded
    return as_decimal(quantity.get("value") if isinstance(quantity, dict) else None)


def _compared(number: Decimal, comparator: object) -> Amount:
    match comparator:
        case "<" | "<=":
            return Amount(-_INFINITY, number, has_high=comparator == "<=")
        case ">" | ">=":
            return Amount(number, _INFINITY, has_low=comparator == ">=")
    return Amount(number, number)


def _quantities(value: object) -> list[Mapping[str, object]]:
    """The value with a unit to compare: of Money the currency, of a Range that of its boundary."""
    if not isinstance(value, dict):
        return []
    if "currency" in value:
        return [{**value, "system": CURRENCY_SYSTEM, "code": value["currency"]}]
    for side in ("low", "high"):
        if isinstance(boundary := value.get(side), dict):
            return [{**boundary, **value}]
    return [value]


def _answers(
    amount: Amount | None, value: object, tests: list[tuple[Callable[[Amount], bool], Unit]]
) -> bool:
    if amount is None:
        return False
    quantity = value if isinstance(value, dict) else {}
    return any(unit.holds(quantity) and compare(amount) for compare, unit in tests)


def _comparison(asked: _Asked) -> Callable[[Amount], bool]:
    number, margin = asked.number, asked.margin()
    below, above = _EXACT.subtract(number, margin), _EXACT.add(number, margin)
    match asked.prefix:
        case "ne":
            return lambda amount: not (below <= amount.low and amount.high < above)
        case "gt":
            return lambda amount: amount.high > number
        case "lt":
            return lambda amount: amount.low < number
        case "ge":
            return lambda amount: amount.high > number or (amount.high == number and amount.has_high)
        case "le":
            return lambda amount: amount.low < number or (amount.low == number and amount.has_low)
        case "sa":
            return lambda amount: amount.low > number or (amount.low == number and not amount.has_low)
        case "eb":
            return lambda amount: amount.high < number or (amount.high == number and not amount.has_high)
        case "ap":
            return lambda amount: amount.low <= above and amount.high >= below
    return lambda amount: below <= amount.low and amount.high < above


def _asked_number(value: str) -> _Asked:
    prefix, text = split_prefix(value)
    return _Asked(prefix, _number(text), Unit(None, None))


def _asked_quantity(value: str) -> _Asked:
    prefix, text = split_prefix(value)
    parts = split_bars(text)
    if len(parts) not in (1, 3):
        raise SearchValueInvalid("a quantity is a number, or number|system|code")
    system, code = parts[1:] if len(parts) == 3 else ("", "")
    return _Asked(prefix, _number(parts[0]), Unit(system or None, code or None))


def _number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise SearchValueInvalid("not a number")
    return Decimal(text)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # _NUMBER lets no infinity in
    return exponent
