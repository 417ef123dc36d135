"""Who the people are: names, birth, address, NHS number, and which sources know them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import islice

from clinical.identifiers import nhs_check_digit
from sandbox.population.model import REFERENCE_DATE, Practice
from sandbox.population.stream import Stream
from sandbox.population.tables import Row, document, table

SOURCES = ("ehr gp wearable", "ehr gp", "ehr", "gp", "ehr wearable")
SOURCE_WEIGHTS = (60.0, 18.0, 8.0, 7.0, 7.0)
AGES = ((0, 15), (16, 39), (40, 64), (65, 79), (80, 97))
AGE_WEIGHTS = (12.0, 25.0, 30.0, 22.0, 11.0)
RECORDS_SINCE = date(2016, 1, 4)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as one source spells it."""

    family: str
    given: tuple[str, ...]
    prefix: str


@dataclass(frozen=True, slots=True)
class Address:
    """A home address."""

    line: str
    city: str
    district: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as the population draws them, before any source has written a record.

    `recorded_number` is what sources record, `is_verified` whether its check digit holds; `names` by source.
    """

    index: int
    sources: frozenset[str]
    traits: frozenset[str]
    sex: str
    names: dict[str, Name]
    born: date
    deceased: date | None
    recorded_number: str | None
    is_verified: bool
    practice: Practice
    address: Address
    phone: str
    email: str | None

    @property
    def since(self) -> date:
        """The first day of this person's records."""
        return max(self.born + timedelta(days=1), RECORDS_SINCE)

    @property
    def until(self) -> date:
        """The last day of this person's records."""
        return self.deceased or REFERENCE_DATE

    def age_on(self, day: date) -> int:
        """Whole years of age on a day."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


@cache
def practices() -> tuple[Practice, ...]:
    """The practices of practices.toml."""
    return tuple(Practice(**row) for row in document("practices")["practice"])


def identities(count: int, seed: int) -> list[Identity]:
    """The first `count` people of the seed; a larger count only adds people."""
    numbers = list(islice(_nhs_numbers(seed), count))
    return [_identity(index, numbers, seed) for index in range(count)]


def _identity(index: int, numbers: list[str], seed: int) -> Identity:
    cast = _cast().get(index)
    draw = Stream(seed, index, "identity")
    traits = frozenset(cast["traits"].split()) if cast else _drawn_traits(draw)
    sources = cast["sources"] if cast else draw.pick_weighted(SOURCES, SOURCE_WEIGHTS)
    origin = Stream(seed, "same-name") if "same-name" in traits else Stream(seed, index, "name")
    sex = cast["sex"] if cast else origin.pick(("female", "male"))
    born = _birth(origin, int(cast["age"]) if cast else None)
    number, is_verified = _number(index, traits, numbers)
    return Identity(
        index=index,
        sources=frozenset(sources.split()),
        traits=traits,
        sex=sex,
        names=_names(
            origin, _family(index, traits, seed), sex, traits | ({"child"} if born.year > 2008 else set())
        ),
        born=born,
        deceased=draw.day(date(2026, 2, 1), date(2026, 9, 30)) if "deceased" in traits else None,
        recorded_number=number,
        is_verified=is_verified,
        practice=draw.pick(practices()),
        address=_address(draw),
        phone=f"07700 900{draw.number(0, 999):03d}",
        email=f"person{index}@mail.example" if draw.chance(0.7) else None,
    )


@cache
def _cast() -> dict[int, Row]:
    return {int(row["index"]): row for row in table("cast")}


def _drawn_traits(draw: Stream) -> frozenset[str]:
    traits = [("spelling", 0.25), ("no-practice", 0.08), ("former-name", 0.1), ("partial-birth-date", 0.03)]
    return frozenset(trait for trait, probability in traits if draw.chance(probability))


def _birth(draw: Stream, age: int | None) -> date:
    low, high = (age, age) if age is not None else draw.pick_weighted(AGES, AGE_WEIGHTS)
    year = REFERENCE_DATE.year - draw.number(low, high)
    return draw.day(date(year, 1, 1), date(year, 10, 30))


def _number(index: int, traits: frozenset[str], numbers: list[str]) -> tuple[str | None, bool]:
    if "no-number" in traits:
        return None, False
    if "wrong-check-digit" in traits:
        return _wrong_number(numbers[min(3, len(numbers) - 1)]), False
    return numbers[index], True


def _wrong_number(number: str) -> str:
    """The same digits with a failing check digit; two different people carry it."""
    return f"{number[:9]}{(int(number[9]) + 1) % 10}"


def _nhs_numbers(seed: int) -> Iterator[str]:
    """Valid numbers of the 999 test range, all different."""
    for step in range(1_000_000):
        nine = f"999{(step * 104_729 + seed * 7_919 + 20_231) % 1_000_000:06d}"
        digit = nhs_check_digit(nine)
        if digit is not None:
            yield f"{nine}{digit}"


def _family(index: int, traits: frozenset[str], seed: int) -> Row:
    """The row of the family name: a child has its mother's, the person before."""
    holder: object = "same-name" if "same-name" in traits else index - ("child" in traits)
    return _row(Stream(seed, holder, "family"), "family", "")


def _names(draw: Stream, last: Row, sex: str, traits: frozenset[str]) -> dict[str, Name]:
    first, second = _row(draw, "given", sex), _row(draw, "given", sex)
    prefix = draw.pick(("Mr", "Mr", "Dr") if sex == "male" else ("Mrs", "Ms", "Miss", "Dr"))
    name = Name(last["name"], (first["name"], second["name"]), "" if "child" in traits else prefix)
    if "spelling" not in traits:
        return {"ehr": name, "gp": name}
    return {"ehr": name, "gp": Name(_variant(last), (_variant(first),), name.prefix)}


def _variant(row: Row) -> str:
    return row["variant"] or row["name"].upper()


def _row(draw: Stream, kind: str, sex: str) -> Row:
    return draw.pick([row for row in table("names") if row["kind"] == kind and row["sex"] in (sex, "")])


def _address(draw: Stream) -> Address:
    place = draw.pick(table("places"))
    inward = f"{draw.number(1, 9)}{draw.pick('ABDEFGHJLN')}{draw.pick('PQRSTUWXYZ')}"
    line = f"{draw.number(1, 180)} {place['street']}"
    return Address(line, place["city"], place["district"], f"{place['outcode']} {inward}")
