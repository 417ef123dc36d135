"""The wearable API as an ASGI application: bearer token of the user, form parameters, the shared limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.population.model import Account
from sandbox.quota import Quota
from sandbox.wearable.actions import ACTIONS
from sandbox.wearable.answers import (
    ActionUnknown,
    ApiError,
    RequestsTooMany,
    TokenInvalid,
    failure,
    success,
)
from sandbox.wearable.params import Params

REQUESTS_PER_MINUTE = 120
PAGE_SIZE = 40


@dataclass(frozen=True, slots=True)
class WearableApi:
    """The endpoints. `accounts` by bearer token; every request counts against `quota`."""

    accounts: Mapping[str, Account]
    quota: Quota
    page_size: int

    async def answer(self, request: Request) -> Response:
        try:
            self._take_one()
            account = self._account(request.headers.get("authorization", ""))
            form = dict(request.query_params) | dict(
                parse_qsl((await request.body()).decode("utf-8", "replace"))
            )
            action = ACTIONS.get((request.url.path, form.get("action", "")))
            if action is None:
                raise ActionUnknown("Unknown action")
            return success(action(account, Params(form), self.page_size))
        except ApiError as problem:
            return failure(problem)

    def _take_one(self) -> None:
        if wait_s := self.quota.take():
            raise RequestsTooMany("Too Many Requests", {"wait_seconds": wait_s})

    def _account(self, authorization: str) -> Account:
        kind, _, token = authorization.partition(" ")
        account = self.accounts.get(token) if kind.lower() == "bearer" else None
        if account is None:
            raise TokenInvalid("XRequestID: Not provided invalid_token: The access token provided is invalid")
        return account


def build_wearable(
    accounts: Mapping[str, Account], quota: Quota | None = None, page_size: int = PAGE_SIZE
) -> Starlette:
    """The API over these accounts (by user id)."""
    by_token = {account.token: account for account in accounts.values()}
    api = WearableApi(by_token, quota or Quota(REQUESTS_PER_MINUTE), page_size)
    paths = sorted({path for path, _ in ACTIONS})
    return Starlette(routes=[Route(path, api.answer, methods=["GET", "POST"]) for path in paths])
