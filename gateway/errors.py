"""One table: what went wrong -> code, HTTP status, message.

The two statuses are for the two media types of GraphQL over HTTP: `application/graphql-response+json`
says in the status how the request fared; `application/json` says 200 to every well-formed request.
Statuses count only while `data` is null: a response with data is 200.
"""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLError

from gateway import document_errors as documents
from gateway import http_errors as http
from gateway.authn import authenticator as authn
from gateway.cost.errors import CostExceeded
from gateway.media_types import JSON
from gateway.ratelimit import errors as limits
from permissions.decision import ScopeInsufficient
from resolvers import errors as requests
from resolvers.upstreams import errors as upstreams
from resolvers.upstreams.attachment import AttachmentTooLarge, AttachmentTypeRefused

log = logging.getLogger(__name__)


class DeadlinePassed(Exception):
    """The request took longer than `request_deadline_s`, although its sources had to answer before that."""


class VariablesInvalid(Exception):
    """The variables do not fit the operation's declarations."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What one kind of exception becomes. `message` None: the exception's own message is safe to show."""

    exception: type[Exception]
    code: str
    status: int
    status_json: int
    message: str | None = None

    def status_for(self, media_type: str) -> int:
        """The HTTP status in a response of this media type."""
        return self.status_json if media_type == JSON else self.status


ERROR_TABLE: Final[tuple[ErrorRow, ...]] = (
    # HTTP requests that are no GraphQL request
    ErrorRow(http.RequestMalformed, "BAD_USER_INPUT", 400, 400),
    ErrorRow(http.MethodNotAllowed, "OPERATION_NOT_ALLOWED", 405, 405),
    ErrorRow(http.MediaTypeNotAcceptable, "BAD_USER_INPUT", 406, 406),
    ErrorRow(http.BodyTooLarge, "BAD_USER_INPUT", 413, 413),
    ErrorRow(http.MediaTypeNotSupported, "BAD_USER_INPUT", 415, 415),
    # callers
    ErrorRow(authn.KeysUnavailable, "UPSTREAM_UNAVAILABLE", 503, 503),
    ErrorRow(authn.AuthenticationFailed, "UNAUTHENTICATED", 401, 401),
    ErrorRow(ScopeInsufficient, "FORBIDDEN", 403, 403),
    # budgets
    ErrorRow(limits.BudgetUnavailable, "THROTTLED", 503, 503),
    ErrorRow(limits.RateLimited, "THROTTLED", 429, 429),
    ErrorRow(CostExceeded, "COST_ESTIMATED_TOO_EXPENSIVE", 400, 200),
    # documents and variables
    ErrorRow(documents.DocumentLimitExceeded, "DOCUMENT_LIMIT_EXCEEDED", 400, 200),
    ErrorRow(documents.DocumentUnparsable, "GRAPHQL_PARSE_FAILED", 400, 200),
    ErrorRow(documents.DocumentInvalid, "GRAPHQL_VALIDATION_FAILED", 400, 200),
    ErrorRow(documents.OperationUnknown, "BAD_USER_INPUT", 400, 200),
    ErrorRow(documents.VariablesUnfit, "BAD_USER_INPUT", 400, 200),
    ErrorRow(documents.OperationNotAllowed, "OPERATION_NOT_ALLOWED", 400, 200),
    ErrorRow(documents.DocumentUnknown, "PERSISTED_QUERY_NOT_FOUND", 400, 200),
    ErrorRow(VariablesInvalid, "BAD_USER_INPUT", 400, 200),
    # fields
    ErrorRow(requests.AmountNotConvertible, "UNIT_NOT_CONVERTIBLE", 422, 200),
    ErrorRow(requests.ReferenceNotFound, "REFERENCE_NOT_FOUND", 404, 200),
    ErrorRow(requests.AccessForbidden, "FORBIDDEN", 403, 200),
    ErrorRow(requests.FieldUnauthorized, "UNAUTHORIZED_FIELD_OR_TYPE", 403, 200),
    ErrorRow(requests.OperationUnauthorized, "FORBIDDEN", 403, 403),
    ErrorRow(requests.AnswerIncomplete, "INCOMPLETE", 503, 200),
    ErrorRow(requests.RequestError, "BAD_USER_INPUT", 400, 200),
    # attachments
    ErrorRow(AttachmentTooLarge, "ATTACHMENT_TOO_LARGE", 413, 413),
    ErrorRow(AttachmentTypeRefused, "ATTACHMENT_TYPE_REFUSED", 415, 415),
    # sources
    ErrorRow(upstreams.UpstreamTimeout, "UPSTREAM_TIMEOUT", 504, 200),
    ErrorRow(upstreams.UpstreamRejected, "UPSTREAM_REJECTED", 502, 200),
    ErrorRow(upstreams.UpstreamThrottled, "UPSTREAM_THROTTLED", 503, 200),
    ErrorRow(upstreams.UpstreamInvalidResponse, "UPSTREAM_INVALID_RESPONSE", 502, 200),
    ErrorRow(upstreams.SearchNotSupported, "SEARCH_NOT_SUPPORTED", 400, 200),
    ErrorRow(upstreams.UpstreamDenied, "FORBIDDEN", 403, 200),
    ErrorRow(upstreams.GrantMissing, "UPSTREAM_REJECTED", 502, 200),
    ErrorRow(upstreams.UpstreamError, "UPSTREAM_UNAVAILABLE", 503, 200),
    # the rest
    ErrorRow(DeadlinePassed, "UPSTREAM_TIMEOUT", 504, 504, "The request took too long and was ended."),
    ErrorRow(Exception, "INTERNAL_SERVER_ERROR", 500, 500, "Something went wrong inside the gateway."),
)


def row_of(problem: BaseException) -> ErrorRow:
    """The first row whose kind the exception is of."""
    return next((row for row in ERROR_TABLE if isinstance(problem, row.exception)), ERROR_TABLE[-1])


def cause_of(error: GraphQLError) -> BaseException:
    """What a GraphQL error is about: the exception that a resolver raised, or the client's own input.

    graphql-core wraps both. Its own complaints about arguments point at a place in the document;
    one without a place comes from a value on its way out, and that value is a patient's.
    """
    original = error.original_error
    if original is not None and not isinstance(original, GraphQLError):
        return original
    if error.path is None:
        return VariablesInvalid(error.message)  # which variable it is, only the outer one says
    told = original if isinstance(original, GraphQLError) else error
    return VariablesInvalid(told.message) if told.nodes else error


def told(problem: BaseException, request_id: str, **place: Any) -> dict[str, Any]:
    """One entry of a response's `errors`. `place` holds `locations` and `path` where they are known."""
    row = row_of(problem)
    _log(problem, row, request_id)
    extensions: dict[str, Any] = {"code": row.code, "requestId": request_id}
    if isinstance(problem, requests.RequestError | limits.RateLimited | CostExceeded):
        extensions |= problem.extensions
    source = getattr(problem, "source", None)
    if isinstance(source, str):
        extensions["source"] = source
    return {"message": row.message or str(problem), **place, "extensions": extensions}


def told_graphql(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """The entry of an error that execution reports."""
    return told(cause_of(error), request_id, **_place(error))


def told_refusal(problem: BaseException, request_id: str) -> list[dict[str, Any]]:
    """The entries of a request that was refused before execution."""
    if isinstance(problem, requests.OperationUnauthorized):
        fields = [told(error, request_id, path=list(path)) for error, path in problem.denied]
        return [told(problem, request_id), *fields]
    if not isinstance(problem, documents.DocumentRefused):
        return [told(problem, request_id)]
    extensions = {"code": row_of(problem).code, "requestId": request_id}
    return [{"message": error.message, **_place(error), "extensions": extensions} for error in problem.errors]


def _log(problem: BaseException, row: ErrorRow, request_id: str) -> None:
    if row.exception is Exception:
        log_unexpected(problem, request_id)
    elif isinstance(problem, upstreams.SearchNotSupported):
        # Its detail may be what the client searched for: a name, a number.
        log.info("%s from %s, request %s", row.code, problem.source, request_id)
    elif isinstance(problem, upstreams.UpstreamError):
        log.warning("%s from %s, request %s: %s", row.code, problem.source, request_id, problem.detail)


def log_unexpected(problem: BaseException, request_id: str) -> None:
    """Logs where a bug struck. Not its message: that may hold what a patient's record says."""
    frames = traceback.extract_tb(problem.__traceback__)
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    log.error("unexpected %s, request %s, at %s", type(problem).__name__, request_id, where or "?")


def _place(error: GraphQLError) -> dict[str, Sequence[Any]]:
    place: dict[str, Sequence[Any]] = {}
    if error.locations:
        place["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        place["path"] = list(error.path)
    return place
