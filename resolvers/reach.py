"""How far the caller's scopes reach over a list: whose rows, narrowed by what.

What a scope narrows goes to the sources as search parameters, and every row is looked at again.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from clinical.compartment import patient_parameter
from permissions.decision import Reach
from resolvers.admission import Admits, admits_any
from resolvers.errors import AccessForbidden
from resolvers.field import FieldCall
from resolvers.ordering import ordering_of
from resolvers.persons import Person
from resolvers.plan import Asked
from resolvers.question import Question
from resolvers.resource import Resource
from resolvers.upstreams.upstream import Filter
from resolvers.visibility import is_about

_NONE: Final[frozenset[str]] = frozenset()


async def reached(
    call: FieldCall, question: Question, person: Person | None, told: frozenset[str] = _NONE
) -> Asked | None:
    """The list that may be answered; None, and told at its field, where the scopes permit none of it. `told`:
    ruled fields of which the answer tells, beside those of which the question does.

    Raises AccessForbidden for a type that a token for one patient cannot list, UpstreamError.
    """
    permissions = call.context.permissions
    told = told | told_by(call, question)
    reaches = permissions.reaches("s", question.type, told)
    if reaches and reaches[0].is_whole:
        return Asked(question, person, _every if _is_masked(call, question) else None)
    wide = [one for one in reaches if one.level != "patient"]
    own = [one for one in reaches if one.level == "patient"]
    if not reaches:
        _deny(call, question, told)
        return None
    if person is None and not wide:
        return await _of_own(call, question, own)
    if person is not None:
        return await _of_person(call, question, person, wide, own)
    if not own:
        return _narrowed(Asked(question, None), wide, is_masked=_is_masked(call, question))
    return await _of_both(call, question, wide, own)


def reaches_all(call: FieldCall, question: Question) -> bool:
    """Whether the scopes reach every row and all of it, so that nothing is to be narrowed."""
    return call.context.permissions.sees_all("s", question.type, told_by(call, question))


def told_by(call: FieldCall, question: Question) -> frozenset[str]:
    """The ruled fields of which the answer to a question tells, beside what is selected."""
    if question.is_newest_first and not question.filters and not question.references:
        return _NONE
    is_sorted = question.ordering is not ordering_of(question.type, None) and call.arguments.get("sort")
    codes = (*question.codes, *(question.ordering.codes if is_sorted else ()))
    return call.context.permissions.rules.told_by(question.type, codes) if codes else _NONE


def _is_masked(call: FieldCall, question: Question) -> bool:
    """Whether some rows lack elements that others have, by the scope that reaches them."""
    return bool(call.context.permissions.masked(question.type))


def _deny(call: FieldCall, question: Question, told: frozenset[str]) -> None:
    granted = call.context.permissions.granted
    denied = [one for one in sorted(told) if not granted(one)]
    for one in denied or sorted(told) or [question.type]:
        call.context.deny(call.path, one, "s")


async def _of_own(call: FieldCall, question: Question, own: Sequence[Reach]) -> Asked:
    """A list at the root, for a caller whose scopes are for one patient."""
    if question.type != "Patient" and patient_parameter(question.type) is None:
        raise AccessForbidden(f"{question.type}: a token for one patient's record cannot list these")
    own_person = await call.context.own_person()
    return _narrowed(Asked(question, own_person), own, is_masked=_is_masked(call, question))


async def _of_person(
    call: FieldCall, question: Question, person: Person, wide: Sequence[Reach], own: Sequence[Reach]
) -> Asked | None:
    """A list about a person: scopes for the token's patient count where that is the person."""
    if not person.records:
        return Asked(question, person)  # nobody's: nothing is asked of any source
    known = await call.context.own_if_known() if own else None
    usable = [*wide, *(own if known is not None and known.id == person.id else ())]
    if not usable:
        call.context.deny(call.path, question.type, "s")
        return None
    return _narrowed(Asked(question, person), usable, is_masked=_is_masked(call, question))


def _narrowed(found: Asked, reaches: Sequence[Reach], *, is_masked: bool) -> Asked:
    if any(not one.narrowing.filters for one in reaches):
        found.admits = _every if is_masked else None
        return found
    found.question = replace(found.question, narrowings=tuple(map(_filters, reaches)))
    found.admits = admits_any(map(_test, reaches))
    if len(reaches) == 1 and not is_masked:
        found.narrowing = reaches[0].narrowing
    return found


async def _of_both(call: FieldCall, question: Question, wide: Sequence[Reach], own: Sequence[Reach]) -> Asked:
    """Narrowed rows of everybody, and those of the token's own patient."""
    known = await call.context.own_if_known()
    parameter = "_id" if question.type == "Patient" else patient_parameter(question.type)
    narrowings = [_filters(one) for one in wide]
    tests = [_test(one) for one in wide]
    if known is not None and parameter is not None:
        records = known.records if question.type == "Patient" else known.subjects
        is_mine = admits_any(_about(one) for one in records)
        named = Filter(parameter, tuple(dict.fromkeys(_named(parameter, records))))
        narrowings += [(named, *_filters(one)) for one in own]
        tests += [_both(is_mine, _test(one)) for one in own]
    return Asked(replace(question, narrowings=tuple(narrowings)), None, admits_any(tests))


def _named(parameter: str, records: Iterable[Resource]) -> Iterable[str]:
    return (one.id if parameter == "_id" else f"Patient/{one.id}" for one in records)


def _filters(reach: Reach) -> tuple[Filter, ...]:
    return tuple(Filter(code, (value,)) for code, value in reach.narrowing.filters)


def _test(reach: Reach) -> Admits:
    narrowing = reach.narrowing
    return lambda resource: narrowing.holds(resource.json, resource.location.base_url, resource.source)


def _about(record: Resource) -> Admits:
    return lambda resource: resource.is_same(record) or is_about(resource, record)


def _both(one: Admits, other: Admits) -> Admits:
    return lambda resource: one(resource) and other(resource)


def _every(resource: Resource) -> bool:
    """Admits every row; that there is a test says that rows are looked at one by one."""
    return True
