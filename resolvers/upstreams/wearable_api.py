"""Asking the wearable vendor's API: bearer token of the user, errors in 200, paging by `more` and `offset`.

developer.withings.com: getmeas, getactivity, sleep getsummary. The status codes lie in wearable_statuses.tsv.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlencode

from clinical.codec import JsonInvalid, decode_json
from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.http_answers import http_refusal
from resolvers.upstreams.transport import Response
from resolvers.upstreams.upstream import Call

_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
_MINUTE_S: Final = 60.0
_REFUSAL_BYTES_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Action:
    """One of the vendor's actions: its path and name, and where its rows lie in the body."""

    path: str
    name: str
    rows: str


MEASURES: Final = Action("/measure", "getmeas", "measuregrps")
ACTIVITY: Final = Action("/v2/measure", "getactivity", "activities")
SLEEP: Final = Action("/v2/sleep", "getsummary", "series")


@dataclass(slots=True)
class Rows:
    """The rows of an action, all pages; `timezone` where the body says it."""

    rows: list[Any] = field(default_factory=list)
    timezone: str | None = None
    problems: list[str] = field(default_factory=list)


class WearableApi:
    """The API of one source, for any of its users."""

    def __init__(self, exchange: Exchange, base_url: str, max_pages: int) -> None:
        self.source = exchange.source
        self._exchange = exchange
        self._base_url = base_url
        self._max_pages = max_pages

    async def rows(self, user: str, action: Action, params: Mapping[str, str], call: Call) -> Rows:
        """Every row. Raises UpstreamError where a page cannot be had: half of a history is not a history."""
        found = Rows()
        offset = 0
        for _ in range(self._max_pages):
            body = await self._body(
                user, action, {**params, "offset": str(offset)} if offset else params, call
            )
            listed = body.get(action.rows)
            if not isinstance(listed, list):
                raise self._strange(f"no {action.rows}")
            found.rows += listed
            if isinstance(zone := body.get("timezone"), str):
                found.timezone = zone
            if not body.get("more"):
                return found
            following = body.get("offset")
            if not isinstance(following, int) or following <= offset:
                raise self._strange("an offset that does not move on")
            offset = following
        found.problems.append(f"{self.source} gave more than {self._max_pages} pages.")
        return found

    async def probe(self, call: Call) -> UpstreamError | None:
        """Whether the API answers: without a token, its refusal of it is answer enough."""
        try:
            await self._body(None, MEASURES, {}, call)
        except UpstreamRejected:
            return None
        except UpstreamError as problem:
            return problem
        return None

    async def _body(
        self, user: str | None, action: Action, params: Mapping[str, str], call: Call
    ) -> dict[str, Any]:
        form = urlencode({"action": action.name, **params}).encode()
        address = self._base_url + action.path
        question = Question(
            action.name, address, _HEADERS, "POST", form, subject=user, is_refusal=_refuses_token
        )
        response = await self._exchange.send(question, call)
        envelope = self._envelope(response)
        status = envelope.get("status")
        if not isinstance(status, int):
            raise self._strange("no status")
        if status != 0:
            raise self._refusal(status, envelope)
        body = envelope.get("body")
        if not isinstance(body, dict):
            raise self._strange("no body")
        return body

    def _envelope(self, response: Response) -> dict[str, Any]:
        if response.status != 200:
            raise http_refusal(self.source, response)
        try:
            envelope = decode_json(response.body)
        except JsonInvalid as problem:
            raise self._strange("not JSON") from problem
        if not isinstance(envelope, dict):
            raise self._strange("no envelope")
        return envelope

    def _refusal(self, status: int, envelope: Mapping[str, Any]) -> UpstreamError:
        detail = f"status {status}"
        match _meaning(status):
            case "rejected" | "unauthenticated":
                return UpstreamRejected(self.source, f"{self.source} refused access.", detail)
            case "timeout":
                return UpstreamTimeout(self.source, f"{self.source} did not answer in time.", detail)
            case "throttled":
                body = envelope.get("body")
                wait = body.get("wait_seconds") if isinstance(body, dict) else None
                wait_s = float(wait) if isinstance(wait, int) else _MINUTE_S
                return UpstreamThrottled(
                    self.source, f"{self.source} is asked too often at the moment.", detail, wait_s
                )
        return UpstreamUnavailable(self.source, f"{self.source} failed.", detail)

    def _strange(self, detail: str) -> UpstreamInvalidResponse:
        return UpstreamInvalidResponse(
            self.source, f"{self.source} gave an answer that is not what was asked for.", detail
        )


def _refuses_token(response: Response) -> bool:
    """Whether the answer, though 200, is that the user's token is not good."""
    if len(response.body) > _REFUSAL_BYTES_MAX:
        return False
    try:
        envelope = decode_json(response.body)
    except JsonInvalid:
        return False
    status = envelope.get("status") if isinstance(envelope, dict) else None
    return isinstance(status, int) and _meaning(status) == "unauthenticated"


def _meaning(status: int) -> str:
    return next((meaning for first, last, meaning in _statuses() if first <= status <= last), "")


@cache
def _statuses() -> tuple[tuple[int, int, str], ...]:
    text = resources.files("resolvers.upstreams").joinpath("wearable_statuses.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple((int(row["first"]), int(row["last"]), row["meaning"]) for row in rows)
