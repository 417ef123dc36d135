"""Searching mapped resources: filtered, sorted and paged here; a page's mark is the last place before it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from clinical.dates import Interval
from resolvers.resource import Json, Resource
from resolvers.upstreams.errors import PageExpired, SearchNotSupported
from resolvers.upstreams.upstream import Call, Page, Search
from resolvers.upstreams.wearable_accounts import Accounts
from resolvers.upstreams.wearable_filters import began, kinds_asked, period_asked, predicate
from resolvers.upstreams.wearable_history import History, everything
from resolvers.upstreams.wearable_measures import measures

Place = tuple[int, str]
"""Seconds since 1970 (negative: descending) and id: where a resource stands in the order of an answer."""

_ALL_KINDS: Final = frozenset(key for key in measures() if key != "bp")
_SECOND: Final = timedelta(seconds=1)


async def search_observations(accounts: Accounts, history: History, search: Search, call: Call) -> Page:
    """A page of Observations by date, newest first unless `date` asks otherwise. Raises UpstreamError."""
    if search.sort not in ((), ("-date",), ("date",)):
        raise SearchNotSupported(accounts.source, f"{accounts.source} sorts by date only.")
    users, kinds = accounts.asked(search), kinds_asked(accounts.source, search.filters)
    test = predicate(accounts.source, search, accounts.location.base_url)
    if not users or not kinds:
        return Page((), total=0)
    sign = 1 if search.sort == ("date",) else -1
    mark = _mark(accounts.source, search.page)
    within = _within(period_asked(search.filters), mark, sign)
    found: dict[Place, Json] = {}
    problems: dict[str, None] = {}
    is_whole = False
    stretches = (
        history.newest_first(users, kinds, within, call)
        if sign < 0
        else history.at_once(users, kinds, within, call)
    )
    async for stretch in stretches:
        for row in stretch.observations:
            place = (sign * int(began(row).timestamp()), row["id"])
            if (mark is None or place > mark) and test(row):
                found[place] = row
        problems |= dict.fromkeys(stretch.problems)
        is_whole = stretch.is_last
        if len(found) > search.count:
            break
    return _page(accounts, search, found, tuple(problems), is_whole and mark is None)


async def search_devices(accounts: Accounts, history: History, search: Search, call: Call) -> Page:
    """A page of Devices, by id. Raises UpstreamError."""
    _check_unsorted(accounts.source, search)
    test = predicate(accounts.source, search, accounts.location.base_url)
    users = accounts.asked(search)
    mark = _mark(accounts.source, search.page)
    found: dict[Place, Json] = {}
    problems: tuple[str, ...] = ()
    if users:
        stretch = await history.stretch(users, _ALL_KINDS, everything(), call)
        found = _placed(stretch.mapped.devices.values())
        problems = stretch.problems
    found = {place: row for place, row in found.items() if test(row) and (mark is None or place > mark)}
    return _page(accounts, search, found, problems, is_whole=mark is None)


async def search_patients(accounts: Accounts, history: History, search: Search, call: Call) -> Page:
    """A page of the linked or granted users as Patients, by id; asks nobody. Raises UpstreamError."""
    _check_unsorted(accounts.source, search)
    test = predicate(accounts.source, search, accounts.location.base_url)
    mark = _mark(accounts.source, search.page)
    users = accounts.users() if search.patient is None else accounts.users() & {search.patient}
    found = _placed(accounts.patient(user).json for user in users)
    found = {place: row for place, row in found.items() if test(row) and (mark is None or place > mark)}
    return _page(accounts, search, found, (), is_whole=mark is None)


def _page(
    accounts: Accounts, search: Search, found: Mapping[Place, Json], problems: tuple[str, ...], is_whole: bool
) -> Page:
    now = datetime.now(UTC)
    places = sorted(found)
    shown = places[: search.count]
    resources: tuple[Resource, ...] = tuple(accounts.resource(found[place], now) for place in shown)
    following = f"{shown[-1][0]}.{shown[-1][1]}" if shown and len(places) > len(shown) else None
    return Page(resources, following, len(places) if is_whole else None, problems)


def _mark(source: str, page: str | None) -> Place | None:
    if page is None:
        return None
    seconds, _, own_id = page.partition(".")
    try:
        if own_id:
            return int(seconds), own_id
    except ValueError:
        pass
    raise PageExpired(source, f"{source} does not know this page.")


def _within(asked: Interval, mark: Place | None, sign: int) -> Interval:
    """The time asked for, from the mark on."""
    if mark is None:
        return asked
    at = datetime.fromtimestamp(sign * mark[0], UTC)
    if sign > 0:
        return Interval(max(asked.low, at), asked.high)
    return Interval(asked.low, min(asked.high, at + _SECOND))


def _placed(rows: Iterable[Json]) -> dict[Place, Json]:
    return {(0, row["id"]): row for row in rows}


def _check_unsorted(source: str, search: Search) -> None:
    if search.sort:
        raise SearchNotSupported(source, f"{source} does not sort this type.")
