"""A gateway as a client sees it: HTTP in, HTTP out; numbers keep the digits they were sent with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

GRAPHQL_RESPONSE = "application/graphql-response+json"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """A response."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    document: Json = field(default_factory=dict)

    @property
    def data(self) -> Any:
        return self.document.get("data")

    @property
    def errors(self) -> list[Json]:
        return list(self.document.get("errors", ()))

    @property
    def codes(self) -> list[str]:
        """The code of every error, in order."""
        return [str(error["extensions"]["code"]) for error in self.errors]

    def whole(self) -> Any:
        """The data of a response that holds no error."""
        assert (self.status, self.errors) == (200, []), (self.status, self.errors[:3])
        return self.data


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's endpoint, and the token to ask it with."""

    url: str
    token: str | None
    client: httpx.Client

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/graphql")

    def with_token(self, token: str | None) -> Gateway:
        return Gateway(self.url, token, self.client)

    def ask(self, query: str, **variables: Any) -> Told:
        """One operation with its variables."""
        return self.post(json.dumps({"query": query, "variables": variables}).encode())

    def post(self, body: bytes, **headers: str) -> Told:
        """Any body at all, sent as JSON. `headers` by their names with `_` for `-`."""
        sent = {"Content-Type": "application/json", "Accept": GRAPHQL_RESPONSE}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return told(self.client.post(self.url, content=body, headers=sent))

    def pages(self, query: str, path: Sequence[str], **variables: Any) -> Iterator[Json]:
        """Every page of the connection at `path` of `query`, which takes `$after` and selects `pageInfo`."""
        after: str | None = None
        while True:
            page: Json = self.ask(query, **variables, after=after).whole()
            for name in path:
                page = page[name]
            yield page
            if not page["pageInfo"]["hasNextPage"]:
                return
            assert page["pageInfo"]["endCursor"] != after, "the walk does not get on"
            after = page["pageInfo"]["endCursor"]


def told(response: httpx.Response) -> Told:
    is_json = "json" in response.headers.get("content-type", "")
    document = json.loads(response.content, parse_float=Decimal) if is_json else {}
    return Told(response.status_code, response.headers, response.content, document)
