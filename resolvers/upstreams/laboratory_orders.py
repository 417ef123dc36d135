"""Which orders are whose: the laboratory says it by webhook when a result is there, and gives no list.

Whatever receives the webhooks appends a JSON line `{"order_id", "user_id"}` to a file; the gateway reads the
file anew when it has changed.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clinical.codec import JsonInvalid, decode_json

_ORDER: Final = re.compile(r"[A-Za-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of each user, in the order in which they were told, and the user of each order.

    `unreadable`: lines that say neither. An order told of two users is nobody's, and counts among them.
    """

    by_user: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    unreadable: int = 0


class OrderLedger:
    """The file of orders. Raises OSError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._orders = Orders()

    async def orders(self) -> Orders:
        """What the file says now."""
        return await asyncio.to_thread(self.look)

    def look(self) -> Orders:
        """The same, in this thread."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._orders = read_orders(self._path.read_text("utf-8").splitlines())
            self._stamp = stamp
        return self._orders


def read_orders(lines: Iterable[str]) -> Orders:
    """The orders that lines tell of."""
    users: dict[str, str] = {}
    disputed: set[str] = set()
    unreadable = 0
    for line in lines:
        if not line.strip():
            continue
        pair = _pair(line)
        if pair is None:
            unreadable += 1
        elif users.setdefault(*pair) != pair[1]:
            disputed.add(pair[0])
    for order in disputed:
        del users[order]
    by_user: dict[str, tuple[str, ...]] = {}
    for order, user in users.items():
        by_user[user] = (*by_user.get(user, ()), order)
    return Orders(by_user, users, unreadable + len(disputed))


def _pair(line: str) -> tuple[str, str] | None:
    try:
        row = decode_json(line)
    except JsonInvalid:
        return None
    if not isinstance(row, dict):
        return None
    order, user = row.get("order_id"), row.get("user_id")
    if not isinstance(order, str) or not isinstance(user, str) or not _ORDER.fullmatch(order):
        return None
    return order, user
