"""Reading mapped resources by id: the vendor has no such call, so the history is read until they turn up."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from resolvers.resource import Resource
from resolvers.upstreams.upstream import Call, Read
from resolvers.upstreams.wearable_accounts import Accounts
from resolvers.upstreams.wearable_history import History, everything
from resolvers.upstreams.wearable_measures import measures

_ALL_KINDS: Final = frozenset(key for key in measures() if key != "bp")


async def read_user(
    accounts: Accounts, history: History, user: str, wanted: Iterable[Read], call: Call
) -> dict[Read, Resource]:
    """Those of the reads that there is a resource for. Raises UpstreamError."""
    found: dict[Read, Resource] = {}
    open_reads = set(wanted)
    for read in [one for one in open_reads if one.type == "Patient" and one.id == user]:
        found[read] = accounts.patient(user)
    open_reads = {one for one in open_reads if one.type in ("Device", "Observation")}
    if not open_reads:
        return found
    async for stretch in history.newest_first((user,), _kinds(open_reads), everything(), call):
        held = {"Observation": stretch.mapped.observations, "Device": stretch.mapped.devices}
        now = datetime.now(UTC)
        for read in list(open_reads):
            if (row := held[read.type].get(read.id)) is not None:
                found[read] = accounts.resource(row, now)
                open_reads.discard(read)
        if not open_reads:
            break
    return found


def _kinds(reads: Iterable[Read]) -> frozenset[str]:
    """The measures in whose rows the resources can turn up."""
    kinds: set[str] = set()
    by_suffix = {str(row.type): {key} for key, row in measures().items() if row.type is not None}
    by_suffix |= {"bp": {"systolic", "diastolic"}, "steps": {"steps"}, "sleep": {"sleep"}}
    for read in reads:
        if read.type == "Device":
            return _ALL_KINDS
        kinds |= by_suffix.get(read.id.rpartition("-")[2], set())
    return frozenset(kinds)
