"""The short way to the first rows of a list: from pages with nothing odd about them.

Where every source sorts as asked, equal rows by id, filters all that is asked, and has given a plain page
(`resolvers.shape`) whose rows are about the right patient and in order, the merge is a sort of what is
there. Everything else goes the long way (`resolvers.merge`), which looks at each row closely; it finds the
pages that have been fetched, so nothing is asked twice. Both ways give the same rows.
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from operator import gt, itemgetter
from typing import Any, Final

import msgspec

from clinical.dates import DateInvalid, interval
from permissions.labels import LabelRules
from resolvers.ordering import Key, Ordering
from resolvers.parts import attribute
from resolvers.plan import SourcePlan
from resolvers.question import Question
from resolvers.shape import PlainPage, Shape
from resolvers.upstreams.upstream import Page, Search

# Digits are left to Python; of what else it takes for a date this is what FHIR takes too.
_MOMENT: Final = r"[12]...-..-..T(?:[01].|2[0-3]):..:..(?:\.[0-9]{1,6})?(?:Z|[+-](?:0.|1[0-4]):[0-5].)"
_MOMENTS: Final = re.compile(rf"(?:{_MOMENT}\n)*+")
_ONE_MOMENT: Final = re.compile(_MOMENT)

# What is rare comes last, and looks back: a month is read before its days are known to be too many.
_DAY: Final = (
    r"[12][0-9][0-9][0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]"
    r"|(?<!02-)(?:29|30)|(?:(?<=0[13578]-)|(?<=1[02]-))31)"
)
_SECOND: Final = rf"{_DAY}T(?!2[4-9])[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
_ALIKE: Final = re.compile(rf"{_SECOND}(Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])(?:\n{_SECOND}\1)*+")
"""Seconds of the calendar, all in one zone: they come one after the other as their texts do."""

_DATES: Final = list[datetime]
_moment = itemgetter(0)
_Entry = tuple[datetime, str, Any, PlainPage]


class Straight(msgspec.Struct):
    """The rows of a page as structs of their type's shape, and the source's page that each came in; `page`
    where that is one."""

    rows: Sequence[Any]
    has_next: bool
    page: PlainPage | None = None
    _pages: Sequence[PlainPage] = ()

    @property
    def pages(self) -> Sequence[PlainPage]:
        """The source's page that each row came in."""
        return self._pages if self.page is None else [self.page] * len(self.rows)

    @property
    def every(self) -> Collection[PlainPage]:
        """Each of the pages once."""
        return (self.page,) if self.page is not None else set(self._pages)


def takes_short_way(plans: Sequence[SourcePlan], *, with_others: bool = False) -> bool:
    """Whether the list may be made of its sources' first pages, if these are plain. `with_others`: and each
    source gives them together with those of other lists."""
    asks = False
    for plan in plans:
        if plan.outcome is not None:
            continue
        if not plan.is_short or (with_others and not plan.is_batched):
            return False
        asks = True
    return asks


def straight_rows(
    question: Question, asked: Sequence[tuple[Search, Page | BaseException]], labels: LabelRules
) -> Straight | None:
    """The first rows of several sources together, None where one of the pages is not plain, or a label
    withholds one of their rows."""
    entries: list[_Entry] = []
    bounds: list[datetime] = []
    for search, page in asked:
        found = _entries(search, page, labels)
        if found is None:
            return None
        entries += found
        if isinstance(page, Page) and page.next is not None:
            if not found:
                return None
            bounds.append(found[-1][0])
    # Sources come in order of precedence and rows by id, so what is equal keeps that order.
    entries.sort(key=_moment, reverse=True)
    taken = entries[: question.first]
    # A source that has more might still have rows that belong before the last one taken.
    if bounds and (not taken or max(bounds) >= taken[-1][0]):
        return None
    rows, pages = [row for _, _, row, _ in taken], [page for _, _, _, page in taken]
    return Straight(rows, len(entries) > question.first, None, pages)


def key_of(row: Any, ordering: Ordering) -> Key:
    """A row's sort key."""
    element = ordering.date_element or ""
    json = {
        name: value if isinstance(value, str) else {"start": value.start_}
        for name in (element, f"{element}DateTime", f"{element}Period")
        if (value := getattr(row, attribute(name), None)) is not None
    }
    return ordering.key_of(json)


def _withhold(labels: LabelRules, type_: str, said: Sequence[Any]) -> bool:
    """Whether one of the security labels withholds a row; one without a code is odd."""
    return any(
        labels.withholds_odd(type_)
        if one is None or one.code_ is None
        else labels.names(type_, one.system_, one.code_)
        for one in said
    )


def straight_page(
    question: Question, search: Search, page: Page | BaseException, labels: LabelRules
) -> Straight | None:
    """The first rows of a single source, None where its page is not plain, or a label withholds a row of it.
    Nothing is to be merged: its order is only checked."""
    if not isinstance(page, Page) or (plain := page.plain) is None or (shape := search.shape) is None:
        return None
    about = None if search.patient is None else f"Patient/{search.patient}"
    return first_rows(question.first, shape, about, plain, labels)


def first_rows(
    most: int, shape: Shape, about: str | None, plain: PlainPage, labels: LabelRules
) -> Straight | None:
    """The same of a plain page with rows of a shape, all of them `about` one (None: whoever it is)."""
    rows = plain.rows
    has_next = len(rows) > most
    if plain.next is not None and not has_next:
        return None
    labelled: list[Any] = []
    texts = shape.texts(rows, about, labelled)
    if texts is None or (labelled and _withhold(labels, plain.type, labelled)):
        return None
    ends = () if shape.periods is None else shape.periods(rows)
    if not come_one_by_one(texts, ends) and not _are_in_order(shape, rows):
        return None
    return Straight(rows[:most] if has_next else rows, has_next, plain)


def _entries(search: Search, page: Page | BaseException, labels: LabelRules) -> list[_Entry] | None:
    """The rows of a page with when each was, where every row belongs in the answer and they are in order."""
    shape = search.shape
    if shape is None or not isinstance(page, Page) or (plain := page.plain) is None:
        return None
    rows = plain.rows
    about = None if search.patient is None else f"Patient/{search.patient}"
    labelled: list[Any] = []
    if shape.texts(rows, about, labelled) is None or (moments := _moments(shape, rows)) is None:
        return None
    if labelled and _withhold(labels, plain.type, labelled):
        return None
    made = [(at, row.id_, row, plain) for at, row in zip(moments, rows, strict=True)]
    return made if _descends(moments, rows) else None


def come_one_by_one(texts: Sequence[str | None], ends: Sequence[str | None]) -> bool:
    """Whether the dates are seconds of the calendar in one zone, each before the one before, and so are the
    ends of Periods, none before it begins."""
    if not texts:
        return True
    said: list[str] = texts  # type: ignore[assignment]
    try:
        if not all(map(gt, said, said[1:])):
            return False
        if ends:
            said = [*said]
            for start, end in zip(texts, ends, strict=True):
                if end == "" or (end is not None and start > end):  # type: ignore[operator]
                    return False
                if end is not None:
                    said.append(end)
        together, count = "\n".join(said), len(said)
        if together.count("Z") == count == together.count("T") and "." not in together:
            msgspec.convert(said, _DATES)  # RFC 3339, in which a part cannot be left out
            return True
        return _ALIKE.fullmatch(together) is not None
    except (TypeError, msgspec.ValidationError):  # one has no date, or is none
        return False


def _are_in_order(shape: Shape, rows: Sequence[Any]) -> bool:
    """Whether the rows come newest first, equal ones by id."""
    moments = _moments(shape, rows)
    return moments is not None and _descends(moments, rows)


def _descends(moments: Sequence[datetime], rows: Sequence[Any]) -> bool:
    """Newest first, equal ones by id; what stands twice is not in order."""
    before = None
    for at, row in zip(moments, rows, strict=True):
        if before is not None and not (at < before[0] or (at == before[0] and row.id_ > before[1])):
            return False
        before = (at, row.id_)
    return True


def _moments(shape: Shape, rows: Sequence[Any]) -> list[datetime] | None:
    """When each row's date begins; None where one has no date that is said in the plain way."""
    if shape.dates is None:
        return None
    try:
        moments = _begins(shape.dates(rows))
        if shape.ends is not None and not _run_forwards(moments, shape.ends(rows)):
            return None
    except (DateInvalid, TypeError):
        return None
    return moments


def _run_forwards(moments: Sequence[datetime], ends: Sequence[str | None]) -> bool:
    """Whether no Period ends before it begins: it would be sorted by its end. Raises DateInvalid."""
    ended = [at for at, end in zip(moments, ends, strict=True) if end is not None]
    return not ended or not any(map(gt, ended, _begins([end for end in ends if end is not None])))


def _begins(texts: Sequence[str | None]) -> list[datetime]:
    """The beginnings of FHIR dates. Raises DateInvalid; TypeError where one is None."""
    try:
        if _MOMENTS.fullmatch("\n".join(texts) + "\n"):  # type: ignore[arg-type]  # the TypeError is meant
            return list(map(datetime.fromisoformat, texts))  # type: ignore[arg-type]
    except ValueError:
        pass  # a leap second, or no day of the calendar
    return [_begin(text) for text in texts if text is not None]


def _begin(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text) if _ONE_MOMENT.fullmatch(text) else interval(text).low
    except ValueError:
        return interval(text).low
