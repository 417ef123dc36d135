"""Amounts in another unit: exact where units allow it, refused where they do not; never a guess.

Three ways, in this order: a published equation for the analyte (HbA1c between IFCC and NGSP units), the
units alone, and between mass and amount of substance by the analyte's molar mass. Which analyte it is, its
codes say (`clinical/data/analytes.tsv`).

How many digits: one more than were recorded, and at least three. So a value that is converted back and
rounded to its recorded digits is the recorded one. Where the units differ by a power of ten, the digits as
recorded; for temperatures one decimal place more than recorded.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any, Final

from clinical.tables import read_rows

UCUM_SYSTEM: Final = "http://unitsofmeasure.org"
_SYSTEMS: Final = {"loinc": "http://loinc.org", "snomed": "http://snomed.info/sct"}
_DIGITS_MIN: Final = 3
_SIZE_MAX: Final = 40
"""Digits of a number, and places of its point, beyond which it is no measurement."""

_KELVIN: Final[Mapping[str, tuple[Fraction, Fraction]]] = {
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * 5 / 9),
    "[degRe]": (Fraction(5, 4), Fraction("273.15")),
}
"""Temperature scales: kelvins in a degree, and at zero."""

Code = tuple[str, str]
"""A code with its system: (system, code)."""


class UnitNotConvertible(ValueError):
    """The amount cannot be told in this unit; the message says why and is safe to show."""


class UnitTextInvalid(ValueError):
    """What is asked for is no unit of UCUM."""


@dataclass(frozen=True, slots=True)
class _Analyte:
    """What is known of an analyte: grams in a mole, or an equation `other = slope * unit + offset`."""

    molar_mass: Fraction | None
    unit: str | None = None
    other: str | None = None
    slope: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


def load() -> None:
    """Reads the units and the analytes, which takes a moment; else the first conversion does it."""
    _ucum()
    _analytes()


def converted(value: Decimal, unit: str, wanted: str, codes: Collection[Code]) -> Decimal:
    """An amount of a UCUM unit in another one; `codes` say what was measured.

    Raises UnitTextInvalid where what is wanted is no unit, UnitNotConvertible.
    """
    ucum = _ucum()
    try:
        target = ucum.unit_of(wanted)
    except ucum.UnitUnknown:
        raise UnitTextInvalid("not a unit of UCUM") from None
    if unit == wanted:
        return value
    try:
        source = ucum.unit_of(unit)
    except ucum.UnitUnknown:
        raise UnitNotConvertible("its recorded unit is not one of UCUM") from None
    _, shown, exponent = value.as_tuple()
    if not isinstance(exponent, int) or max(len(shown), abs(exponent), abs(value.adjusted())) > _SIZE_MAX:
        raise UnitNotConvertible("the recorded number is too large, or has too many digits")
    analyte = _analyte_of(codes)
    if source.notes != target.notes:
        raise UnitNotConvertible("one of the units has something in braces that the other has not")
    if analyte is not None and {unit, wanted} == {analyte.unit, analyte.other}:
        return _rounded(_by_equation(Fraction(value), analyte, is_back=unit == analyte.other), value)
    if source.scale or target.scale:
        return _on_scale(value, source, target)
    return _scaled(value, source.factor / target.factor * _moles(source, target, analyte))


def _scaled(value: Decimal, factor: Fraction) -> Decimal:
    shift = _power_of_ten(factor)
    if shift is not None:
        return Decimal(format(value.scaleb(shift), "f"))
    return _rounded(Fraction(value) * factor, value)


def _moles(source: Any, target: Any, analyte: _Analyte | None) -> Fraction:
    """What else to multiply by: 1, or grams in a mole, or moles in a gram. Raises UnitNotConvertible."""
    if source.powers == target.powers:
        if source.moles != target.moles:
            raise UnitNotConvertible("an amount of substance in another is not a plain fraction")
        return Fraction(1)
    ours, theirs = dict(source.powers), dict(target.powers)
    grams = ours.pop("g", 0), theirs.pop("g", 0)
    moles = ours.pop("mol", 0), theirs.pop("mol", 0)
    if ours != theirs or {(grams[0], moles[0]), (grams[1], moles[1])} != {(1, 0), (0, 1)}:
        raise UnitNotConvertible("the two units measure different things")
    if source.moles + target.moles != 1:
        raise UnitNotConvertible("an amount of substance in another is not a plain fraction")
    if analyte is None or analyte.molar_mass is None:
        raise UnitNotConvertible("the molar mass of what was measured is not known")
    return 1 / analyte.molar_mass if grams[0] else analyte.molar_mass


def _on_scale(value: Decimal, source: Any, target: Any) -> Decimal:
    """Between temperatures; other units with a zero of their own (`[pH]`, `B[SPL]`) stay what they are."""
    degree, zero = _degrees(source)
    other, other_zero = _degrees(target)
    places = -int(value.as_tuple().exponent)
    kelvin = Fraction(value) * degree + zero
    return _at((kelvin - other_zero) / other, max(places, 0) + 1)


def _degrees(unit: Any) -> tuple[Fraction, Fraction]:
    if unit.scale is None and unit.powers == (("K", 1),):
        return unit.factor, Fraction(0)
    found = _KELVIN.get(unit.scale or "")
    if found is None:
        raise UnitNotConvertible("the two units measure different things")
    return found


def _by_equation(value: Fraction, analyte: _Analyte, *, is_back: bool) -> Fraction:
    return (value - analyte.offset) / analyte.slope if is_back else value * analyte.slope + analyte.offset


def _rounded(exact: Fraction, recorded: Decimal) -> Decimal:
    """To one digit more than were recorded."""
    if not exact:
        return recorded
    digits = max(len(recorded.as_tuple().digits) + 1, _DIGITS_MIN)
    return _at(exact, digits - 1 - _magnitude(exact))


def _at(exact: Fraction, places: int) -> Decimal:
    """Rounded to so many decimal places, halves to even; never with an exponent."""
    scaled = round(exact * Fraction(10) ** places)
    return Decimal(format(Decimal(scaled).scaleb(-places), "f"))


def _magnitude(exact: Fraction) -> int:
    """The power of ten of the first digit."""
    size = abs(exact)
    found = len(str(size.numerator)) - len(str(size.denominator))
    return found if size >= Fraction(10) ** found else found - 1


def _power_of_ten(factor: Fraction) -> int | None:
    top, bottom = str(factor.numerator), str(factor.denominator)
    if top.rstrip("0") == "1" and bottom.rstrip("0") == "1":
        return len(top) - len(bottom)
    return None


def _analyte_of(codes: Collection[Code]) -> _Analyte | None:
    """The one analyte that all known codes name."""
    known = _analytes()
    found = {known[one] for one in codes if one in known}
    return found.pop() if len(found) == 1 else None


@cache
def _analytes() -> Mapping[Code, _Analyte]:
    found: dict[Code, _Analyte] = {}
    for row in read_rows("analytes.tsv"):
        mass = Fraction(row["g_per_mol"]) if row["g_per_mol"] else None
        slope, offset = Fraction(row["slope"] or 1), Fraction(row["offset"] or 0)
        analyte = _Analyte(mass, row["unit"] or None, row["other_unit"] or None, slope, offset)
        for column, system in _SYSTEMS.items():
            found |= {(system, code): analyte for code in row[column].split()}
    return found


@cache
def _ucum() -> Any:
    """`clinical.ucum`, which takes half a second to load and most requests never need."""
    return import_module("clinical.ucum")
