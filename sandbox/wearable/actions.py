"""What the API answers: getmeas, getactivity and getsummary over one account's rows."""

from collections.abc import Callable, Mapping, Sequence

from sandbox.population.model import Account
from sandbox.wearable.answers import Json, ParamsInvalid
from sandbox.wearable.params import Params

Action = Callable[[Account, Params, int], Json]
"""(account, parameters, rows on a page) -> the answer's body."""

ACTIVITY_ENVELOPE = frozenset({"date", "timezone", "deviceid", "brand", "is_tracker", "modified"})


def getmeas(account: Account, params: Params, page_size: int) -> Json:
    """Measure groups, newest first. `startdate` and `enddate` bound the date of measurement, both included;
    `lastupdate` asks for what was modified after it instead; `meastypes` keeps only those measures."""
    types = params.integers("meastypes") | params.integers("meastype")
    category = params.integer("category")
    is_asked = _dated(params)
    groups = [
        _narrowed(group, types)
        for group in reversed(account.measuregrps)
        if is_asked(group) and category in (None, group["category"])
    ]
    groups = [group for group in groups if group["measures"]]
    page, more, offset = _page(groups, params, page_size)
    updated = max((group["modified"] for group in account.measuregrps), default=0)
    body: Json = {"updatetime": updated, "timezone": account.timezone, "more": int(more), "offset": offset}
    return body | {"measuregrps": page}


def getactivity(account: Account, params: Params, page_size: int) -> Json:
    """Days of activity, oldest first; `data_fields` keeps only those numbers."""
    fields = params.words("data_fields")
    keep = fields | ACTIVITY_ENVELOPE
    rows = [row for row in account.activities if _by_day(params)(row)]
    page, more, offset = _page(rows, params, page_size)
    if fields:
        page = [{name: value for name, value in row.items() if name in keep} for row in page]
    return {"activities": page, "more": more, "offset": offset}


def getsummary(account: Account, params: Params, page_size: int) -> Json:
    """Nights of sleep, oldest first; `data_fields` keeps only those numbers."""
    fields = params.words("data_fields")
    rows = [row for row in account.sleep if _by_day(params)(row)]
    page, more, offset = _page(rows, params, page_size)
    if fields:
        page = [
            row | {"data": {name: value for name, value in row["data"].items() if name in fields}}
            for row in page
        ]
    return {"series": page, "more": more, "offset": offset}


ACTIONS: Mapping[tuple[str, str], Action] = {
    ("/measure", "getmeas"): getmeas,
    ("/v2/measure", "getactivity"): getactivity,
    ("/v2/sleep", "getsummary"): getsummary,
}


def _dated(params: Params) -> Callable[[Json], bool]:
    updated_after = params.integer("lastupdate")
    if updated_after is not None:
        return lambda group: bool(group["modified"] > updated_after)
    first, last = params.integer("startdate"), params.integer("enddate")
    low = 0 if first is None else first
    return lambda group: bool(low <= group["date"] and (last is None or group["date"] <= last))


def _by_day(params: Params) -> Callable[[Json], bool]:
    """Either `lastupdate`, or both `startdateymd` and `enddateymd`: the documentation demands one of them."""
    updated_after = params.integer("lastupdate")
    if updated_after is not None:
        return lambda row: bool(row["modified"] > updated_after)
    first, last = params.day("startdateymd"), params.day("enddateymd")
    if first is None or last is None:
        raise ParamsInvalid("Invalid Params: startdateymd and enddateymd, or lastupdate")
    return lambda row: bool(first <= row["date"] <= last)


def _narrowed(group: Json, types: frozenset[int]) -> Json:
    if not types:
        return group
    return group | {"measures": [measure for measure in group["measures"] if measure["type"] in types]}


def _page(rows: Sequence[Json], params: Params, page_size: int) -> tuple[list[Json], bool, int]:
    """The rows from `offset` on, whether there are more, and the offset to ask for those (else 0)."""
    start = params.integer("offset") or 0
    end = start + page_size
    more = end < len(rows)
    return list(rows[start:end]), more, end if more else 0
