"""Whether records with one identifier can be one person's: what they say of the person must agree."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from clinical.dates import DateInvalid, interval
from resolvers.conflict import ConflictReason
from resolvers.resource import Json, Resource

Demographic = Literal["birthDate", "gender", "family"]
"""What records may have to agree on."""

BIRTH_DATE: Final[Demographic] = "birthDate"
_UNSAID: Final = frozenset({None, "unknown"})


class _Compared(NamedTuple):
    element: str
    reason: ConflictReason
    value: Callable[[Json], Any]
    agrees: Callable[[Any, Any], bool]


@cache
def elements_of(agree_on: tuple[Demographic, ...]) -> frozenset[str]:
    """The elements of Patient that agreement looks at."""
    return frozenset(_COMPARED[one].element for one in agree_on)


def disagreement(
    record: Resource, others: Sequence[Resource], agree_on: Iterable[Demographic]
) -> ConflictReason | None:
    """Why a record cannot be of the person of all the others; None where nothing speaks against it."""
    for name in agree_on:
        compared = _COMPARED[name]
        value = compared.value(record.json)
        if not all(compared.agrees(value, compared.value(one.json)) for one in others):
            return compared.reason
    return None


def all_agree(records: Sequence[Resource], agree_on: Iterable[Demographic]) -> bool:
    """Whether nothing that any of some records says of the person speaks against another."""
    for name in agree_on:
        compared = _COMPARED[name]
        said = [compared.value(one.json) for one in records]
        for place, value in enumerate(said):
            for other in said[:place]:
                if not compared.agrees(value, other):
                    return False
    return True


def birth_dates_agree(one: str | None, other: str | None) -> bool:
    """Equal, or one holds the other (`1980` and `1980-05-03`), or one is not stated."""
    if not one or not other:
        return True
    if one == other:
        return _is_date(one)
    try:
        a, b = interval(one), interval(other)
    except DateInvalid:
        return False
    return a.contains(b) or b.contains(a)


def families_agree(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether a family name of one is among those of the other, or one states none: people change names,
    and a record may keep the former one."""
    return not one or not other or not one.isdisjoint(other)


def plain_name(text: str) -> str:
    """A name without case, accents, hyphens, apostrophes and spaces."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in letters if one.isalnum())


def _is_date(text: str) -> bool:
    try:
        interval(text)
    except DateInvalid:
        return False
    return True


def _birth_date(json: Json) -> str | None:
    value = json.get("birthDate")
    return value if isinstance(value, str) else None


def _gender(json: Json) -> str | None:
    value = json.get("gender")
    return value if isinstance(value, str) else None


def _genders_agree(one: str | None, other: str | None) -> bool:
    return one == other or one in _UNSAID or other in _UNSAID


def _families(json: Json) -> frozenset[str]:
    names = json.get("name")
    stated = (one.get("family") for one in names if isinstance(one, dict)) if isinstance(names, list) else ()
    return frozenset(plain for one in stated if isinstance(one, str) and (plain := plain_name(one)))


_COMPARED: Final[Mapping[Demographic, _Compared]] = {
    "birthDate": _Compared("birthDate", ConflictReason.BIRTH_DATE_DISAGREES, _birth_date, birth_dates_agree),
    "gender": _Compared("gender", ConflictReason.GENDER_DISAGREES, _gender, _genders_agree),
    "family": _Compared("name", ConflictReason.FAMILY_NAME_DISAGREES, _families, families_agree),
}
