"""What can go wrong with a source.

    UpstreamError
    +-- UpstreamTimeout            did not answer in time            UPSTREAM_TIMEOUT
    +-- UpstreamUnavailable        connection refused, reset, 5xx    UPSTREAM_UNAVAILABLE
    +-- UpstreamRejected           401, 403, 4xx other than below    UPSTREAM_REJECTED
    +-- UpstreamThrottled          429, 503 with Retry-After, ...    UPSTREAM_THROTTLED
    +-- UpstreamInvalidResponse    not JSON, truncated, too large    UPSTREAM_INVALID_RESPONSE
    |   +-- PageExpired            a next link is no longer known    UPSTREAM_INVALID_RESPONSE
    +-- SearchNotSupported         the source cannot answer this     SEARCH_NOT_SUPPORTED
    +-- UpstreamDenied             may not be asked, and was not     FORBIDDEN
    +-- GrantMissing               the person has granted nothing    UPSTREAM_REJECTED

Messages are safe to show: they never hold an upstream's body, a URL or a patient's data.
`detail` is for the log only.
"""

from typing import ClassVar

from resolvers.outcome import SourceStatus


class UpstreamError(Exception):
    """A source did not do what was asked."""

    code: ClassVar[str] = "UPSTREAM_UNAVAILABLE"
    status: ClassVar[SourceStatus] = SourceStatus.UNAVAILABLE

    def __init__(
        self, source: str, message: str, detail: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.message = message
        self.detail = detail
        self.retry_after_s = retry_after_s


class UpstreamTimeout(UpstreamError):
    """The source did not answer within its time or the request's deadline."""

    code = "UPSTREAM_TIMEOUT"
    status = SourceStatus.TIMEOUT


class UpstreamUnavailable(UpstreamError):
    """The source could not be reached, or failed (5xx)."""


class UpstreamRejected(UpstreamError):
    """The source refused the gateway or the request (401, 403, other 4xx)."""

    code = "UPSTREAM_REJECTED"
    status = SourceStatus.DENIED


class UpstreamThrottled(UpstreamError):
    """The source's rate limit is used up; `retry_after_s` when it said so."""

    code = "UPSTREAM_THROTTLED"


class UpstreamInvalidResponse(UpstreamError):
    """The source answered something that is not what was asked for."""

    code = "UPSTREAM_INVALID_RESPONSE"


class PageExpired(UpstreamInvalidResponse):
    """The source no longer knows the page that `Search.page` names; the search may begin again without it."""


class SearchNotSupported(UpstreamError):
    """The source cannot apply a parameter, and the gateway cannot do it exactly either."""

    code = "SEARCH_NOT_SUPPORTED"
    status = SourceStatus.NOT_SUPPORTED


class UpstreamDenied(UpstreamError):
    """The source may not be asked this by this caller, and was not asked: the caller's purpose of use or
    issuer, or a restriction of the person, closes it."""

    code = "FORBIDDEN"
    status = SourceStatus.DENIED


class GrantMissing(UpstreamError):
    """The person has granted the gateway no access to this source, or no longer."""

    code = "UPSTREAM_REJECTED"
    status = SourceStatus.NOT_LINKED
