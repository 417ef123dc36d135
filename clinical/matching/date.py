"""Dates: every recorded time is an interval, and so is every asked one (R4 search 3.1.1.4.9)."""

from clinical.dates import DateInvalid, Interval, compare, interval, recorded_interval
from clinical.matching.question import Question, Test
from clinical.paths import Typed
from clinical.syntax import SearchValueInvalid, split_prefix


def compile_date(question: Question) -> Test:
    """A test whether a recorded time stands as asked to any of the values. Raises SearchValueInvalid."""
    asked = [_asked(value) for value in question.values]

    def test(found: Typed) -> bool:
        recorded = time_of(found)
        return recorded is not None and any(compare(prefix, recorded, time) for prefix, time in asked)

    return test


def time_of(found: Typed) -> Interval | None:
    """The interval of a recorded value; free text in a choice element is no date, whatever it looks like."""
    return None if found.type_name == "String" else recorded_interval(found.value)


def _asked(value: str) -> tuple[str, Interval]:
    prefix, text = split_prefix(value)
    try:
        return prefix, interval(text)
    except DateInvalid as problem:
        raise SearchValueInvalid(str(problem)) from problem
