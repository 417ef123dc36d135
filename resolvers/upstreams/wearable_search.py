"""Searching mapped resources: filtered, sorted and paged here; a page's mark is the last place before it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from clinical.dates import Interval
from resolvers.resource import Json
from resolvers.upstreams.evaluation import predicate
from resolvers.upstreams.upstream import Call, Page, Search
from resolvers.upstreams.wearable_accounts import Accounts
from resolvers.upstreams.wearable_filters import kinds_asked, period_asked
from resolvers.upstreams.wearable_history import History, everything
from resolvers.upstreams.wearable_measures import measures
from resolvers.upstreams.wearable_order import Mark, Order, mark_of, order_of

_ALL_KINDS: Final = frozenset(key for key in measures() if key != "bp")
_SECOND: Final = timedelta(seconds=1)


async def search_observations(accounts: Accounts, history: History, search: Search, call: Call) -> Page:
    """A page of Observations, newest first unless asked otherwise. Raises UpstreamError."""
    order = order_of(accounts.source, search)
    users, kinds = accounts.asked(search), kinds_asked(accounts.source, search.filters)
    test = predicate(accounts.source, search, accounts.location.base_url)
    if not users or not kinds:
        return Page((), total=0)
    mark = mark_of(accounts.source, search.page)
    within = _within(period_asked(search.filters), mark, order)
    read = history.newest_first if order.by_date < 0 else history.at_once
    found: list[Json] = []
    problems: dict[str, None] = {}
    is_whole = False
    async for stretch in read(users, kinds, within, call):
        found += [row for row in stretch.observations if order.is_after(row, mark) and test(row)]
        problems |= dict.fromkeys(stretch.problems)
        is_whole = stretch.is_last
        if len(found) > search.count:
            break
    return _page(accounts, search, order, found, tuple(problems), is_whole and mark is None)


async def search_devices(accounts: Accounts, history: History, search: Search, call: Call) -> Page:
    """A page of Devices, by id. Raises UpstreamError."""
    order = order_of(accounts.source, search)
    test = predicate(accounts.source, search, accounts.location.base_url)
    mark = mark_of(accounts.source, search.page)
    users = accounts.asked(search)
    if not users:
        return Page((), total=0)
    stretch = await history.stretch(users, _ALL_KINDS, everything(), call)
    found = [row for row in stretch.mapped.devices.values() if order.is_after(row, mark) and test(row)]
    return _page(accounts, search, order, found, stretch.problems, is_whole=mark is None)


async def search_patients(accounts: Accounts, history: History, search: Search, call: Call) -> Page:
    """A page of the users who granted access as Patients, by id; asks nobody. Raises UpstreamError."""
    order = order_of(accounts.source, search)
    test = predicate(accounts.source, search, accounts.location.base_url)
    mark = mark_of(accounts.source, search.page)
    users = accounts.users() if search.patient is None else accounts.users() & {search.patient}
    rows = (accounts.patient(user).json for user in users)
    found = [row for row in rows if order.is_after(row, mark) and test(row)]
    return _page(accounts, search, order, found, (), is_whole=mark is None)


def _page(
    accounts: Accounts,
    search: Search,
    order: Order,
    found: Sequence[Json],
    problems: tuple[str, ...],
    is_whole: bool,
) -> Page:
    now = datetime.now(UTC)
    shown = order.sorted(found)[: search.count]
    following = order.mark(shown[-1]) if shown and len(found) > len(shown) else None
    resources = tuple(accounts.resource(row, now) for row in shown)
    return Page(resources, following, len(found) if is_whole else None, problems)


def _within(asked: Interval, mark: Mark | None, order: Order) -> Interval:
    """The time asked for, from the mark on."""
    if mark is None or not order.by_date:
        return asked
    at = datetime.fromtimestamp(order.by_date * mark.seconds, UTC)
    if order.by_date > 0:
        return Interval(max(asked.low, at), asked.high)
    return Interval(asked.low, min(asked.high, at + _SECOND))
