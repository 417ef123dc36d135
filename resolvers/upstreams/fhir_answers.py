"""What a FHIR server answered, and what its refusals mean (R4 http.html 3.1.0.1.8, operationoutcome.html).

The vendor's own issue codes lie in fhir_issues.tsv, beside FHIR's.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Final

from resolvers.resource import Json
from resolvers.upstreams.errors import (
    PageExpired,
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)

_SYSTEMS: Final = {"urn:oid:1.2.840.114350": "epic"}
_GONE: Final = frozenset((404, 410))
NOT_JSON: Final = object()
"""Stands for a body that is no JSON, such as a proxy's HTML page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: HTTP's status (or that of a Bundle entry) and the decoded body, None where it is empty."""

    status: int
    json: Any
    retrieved_at: datetime
    retry_after_s: float | None = None
    is_stale: bool = False
    """Whether it was kept from before, because the server did not answer."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_absence(self) -> bool:
        """404 or 410 from a FHIR server; a proxy's page is not the word of one."""
        return self.status in _GONE and self.json is not NOT_JSON

    @property
    def outcome(self) -> Json | None:
        """The OperationOutcome, where the body is one."""
        body = self.json
        return body if isinstance(body, dict) and body.get("resourceType") == "OperationOutcome" else None


def resource_of(source: str, answer: Answer) -> Json:
    """The resource in a successful answer. Raises the UpstreamError that any other answer means."""
    if not answer.is_success or answer.outcome is not None:
        raise refusal(source, answer)
    body = answer.json
    if not isinstance(body, dict) or not isinstance(body.get("resourceType"), str):
        raise UpstreamInvalidResponse(source, f"{source} gave an answer that is not FHIR.")
    return body


def refusal(source: str, answer: Answer, is_page: bool = False, is_search: bool = False) -> UpstreamError:
    """The error that an unsuccessful answer means. `is_page`: a next link was followed."""
    status = answer.status
    said = {meaning for _, meaning in issues(answer.outcome)}
    detail = f"HTTP {status} {sorted(said)}"
    if is_page and (status in (400, 404, 410) or "page-expired" in said):
        return PageExpired(source, f"{source} no longer knows this page.", detail)
    if status == 429 or "throttled" in said or (status == 503 and answer.retry_after_s is not None):
        return UpstreamThrottled(
            source, f"{source} is asked too often at the moment.", detail, answer.retry_after_s
        )
    if status in (408, 504) or "timeout" in said:
        return UpstreamTimeout(source, f"{source} did not answer in time.", detail)
    if status in (401, 403) or "rejected" in said:
        return UpstreamRejected(source, f"{source} refused access.", detail)
    if status >= 500 or "unavailable" in said:
        return UpstreamUnavailable(source, f"{source} failed.", detail)
    if 300 <= status < 400:
        return UpstreamInvalidResponse(source, f"{source} answered with a redirect.", detail)
    if is_search and ("not-supported" in said or status == 404):
        return SearchNotSupported(source, f"{source} does not support this search.", detail)
    if status >= 400:
        return UpstreamRejected(source, f"{source} refused the request.", detail)
    return UpstreamInvalidResponse(source, f"{source} gave an answer that is not what was asked for.", detail)


def issues(outcome: object) -> Iterator[tuple[str, str]]:
    """(severity, meaning) of each issue of an OperationOutcome; meaning is empty where the table has none."""
    listed = outcome.get("issue") if isinstance(outcome, dict) else None
    for issue in listed if isinstance(listed, list) else ():
        if isinstance(issue, dict):
            severity = issue.get("severity")
            yield (severity if isinstance(severity, str) else ""), _meaning(issue)


def _meaning(issue: Json) -> str:
    """The vendor's own code says more than FHIR's, so it goes first."""
    table = _meanings()
    details = issue.get("details")
    codings = details.get("coding") if isinstance(details, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict):
            found = table.get((_vendor(coding.get("system")), str(coding.get("code"))))
            if found:
                return found
    return table.get(("fhir", str(issue.get("code"))), "")


def _vendor(system: object) -> str:
    text = system if isinstance(system, str) else ""
    return next((name for prefix, name in _SYSTEMS.items() if text.startswith(prefix)), "")


@cache
def _meanings() -> Mapping[tuple[str, str], str]:
    text = resources.files("resolvers.upstreams").joinpath("fhir_issues.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {(row["system"], row["code"]): row["meaning"] for row in rows}
