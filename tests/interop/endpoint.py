"""A GraphQL endpoint as the interop tests ask it; numbers come with the digits they were sent with."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

Json = dict[str, Any]

_PAGES = """query Observations($id: ID!, $after: String, $first: Int!) {
  patient(id: $id) {
    observations(first: $first, after: $after) {
      completeness pageInfo { hasNextPage endCursor }
      nodes { id origin { name } subject { reference } effectiveDateTime effectivePeriod { start } }
    }
  }
}"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint and the token to ask it with."""

    url: str
    token: str
    client: httpx.Client

    def result(self, query: str, **variables: Any) -> Json:
        """The whole response: data, errors, extensions."""
        response = self.client.post(
            self.url,
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        answer: Json = json.loads(response.text, parse_float=Decimal)
        return answer

    def data(self, query: str, **variables: Any) -> Json:
        """The data of a response that must hold no error."""
        result = self.result(query, **variables)
        assert "errors" not in result, result["errors"]
        data: Json = result["data"]
        return data

    def pages(self, query: str, path: Sequence[str], **variables: Any) -> Iterator[Json]:
        """Every page of the connection that lies at `path` in `query`, which takes `$after`."""
        after: str | None = None
        while True:
            page: Json = self.data(query, **variables, after=after)
            for name in path:
                page = page[name]
            yield page
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def observation_pages(self, patient: str, first: int) -> list[Json]:
        """Every page of a person's observations."""
        return list(self.pages(_PAGES, ["patient", "observations"], id=patient, first=first))
