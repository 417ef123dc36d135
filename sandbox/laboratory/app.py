"""The laboratory's API as an ASGI application."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.population.laboratory import LaboratoryUser
from sandbox.quota import Quota

REQUESTS_PER_MINUTE = 100_000
KEY_HEADER = "X-Api-Key"
KEY = "sandbox-laboratory-key"
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class LaboratoryApi:
    """`results` by order; an order without a result is answered as one that there is not."""

    results: Mapping[str, Mapping[str, Any] | None]
    quota: Quota

    async def result(self, request: Request) -> Response:
        if request.headers.get(KEY_HEADER) != KEY:
            return _refusal(401, "Invalid API key")
        if wait_s := self.quota.take():
            return _refusal(429, "Too many requests", {"Retry-After": str(math.ceil(wait_s))})
        found = self.results.get(request.path_params["order"])
        if found is None:
            return _refusal(404, "Order or result not found")
        return Response(_ENCODER.encode(found), media_type="application/json")


def build_laboratory(users: Mapping[str, LaboratoryUser], quota: Quota | None = None) -> Starlette:
    """The API over the orders of these users."""
    results = {order: result for user in users.values() for order, result in user.orders.items()}
    api = LaboratoryApi(results, quota or Quota(REQUESTS_PER_MINUTE))
    return Starlette(routes=[Route("/v3/order/{order}/result", api.result, methods=["GET"])])


def order_lines(users: Mapping[str, LaboratoryUser]) -> bytes:
    """What webhooks told: the file of orders that the gateway reads."""
    pairs = ((order, user.user_id) for user in users.values() for order in user.orders)
    lines = (json.dumps({"order_id": order, "user_id": user}) + "\n" for order, user in pairs)
    return "".join(lines).encode()


def _refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps({"detail": detail}).encode()
    return Response(content, status, dict(headers or {}), "application/json")
