"""The practice's API as an ASGI application: lists by pages, one limit, no search but by patient where told.

`patient_parameter`: a query parameter by which a list can be narrowed to one patient; None: it is ignored, as
is every other that the API does not know.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.population.practice import BASE, PracticeBook
from sandbox.quota import Quota

REQUESTS_PER_MINUTE = 200
PAGE_MAX = 100
PAGE_USUAL = 50
KEY = "sandbox-practice-key-uk1"


@dataclass(frozen=True, slots=True)
class PracticeApi:
    """`page_max`: rows on a page, whatever is asked for beyond it."""

    lists: Mapping[str, list[dict[str, Any]]]
    quota: Quota
    page_max: int
    patient_parameter: str | None

    async def listed(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        kind = request.path_params["kind"]
        if kind not in self.lists:
            return _error(404, "Not found")
        rows, query = self.lists[kind], dict(request.query_params)
        if self.patient_parameter and (patient := query.get(self.patient_parameter)):
            rows = [row for row in rows if row["patient"]["links"]["self"].endswith(f"/patients/{patient}")]
        size = min(_number(query.get("per_page"), PAGE_USUAL), self.page_max)
        page = _number(query.get("page"), 1)
        origin = str(request.base_url).rstrip("/")
        shown = rows[(page - 1) * size : page * size]
        links = {"self": _link(origin, kind, {**query, "page": str(page)})}
        if page * size < len(rows):
            links["next"] = _link(origin, kind, {**query, "page": str(page + 1)})
        text = json.dumps({kind: shown, "total_entries": len(rows), "links": links})
        return Response(text.replace(BASE, origin).encode(), media_type="application/json")

    def _refusal(self, request: Request) -> Response | None:
        if _user(request.headers.get("authorization", "")) != KEY:
            return _error(401, "Your API key is not valid")
        if "@" not in request.headers.get("user-agent", ""):
            return _error(400, "A User-Agent with a contact address is required")
        if wait_s := self.quota.take():
            reset = {"X-RateLimit-Reset": str(int(time.time()) + wait_s)}
            return _error(429, "Rate limit exceeded", reset)
        return None


def build_practice(
    book: PracticeBook,
    quota: Quota | None = None,
    page_max: int = PAGE_MAX,
    patient_parameter: str | None = "patient_id",
) -> Starlette:
    """The API over a practice's book."""
    lists = {"invoices": book.invoices, "appointments": book.appointments}
    api = PracticeApi(lists, quota or Quota(REQUESTS_PER_MINUTE), page_max, patient_parameter)
    return Starlette(routes=[Route("/{kind}", api.listed, methods=["GET"])])


def _user(authorization: str) -> str | None:
    kind, _, pair = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(pair, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if kind.lower() == "basic" and password == "" else None


def _number(text: str | None, usual: int) -> int:
    return max(1, int(text)) if text is not None and text.isascii() and text.isdigit() else usual


def _link(origin: str, kind: str, query: Mapping[str, str]) -> str:
    return f"{origin}/{kind}?" + "&".join(f"{name}={value}" for name, value in query.items())


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps({"message": message, "errors": {}}).encode()
    return Response(content, status, dict(headers or {}), "application/json")
