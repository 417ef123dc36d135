"""One table of errors: every kind is in it, and nothing unsafe passes through."""

import logging
from collections.abc import Iterator

import pytest
from graphql import GraphQLError

from gateway import document_errors, http_errors
from gateway.authn import authenticator
from gateway.errors import ERROR_TABLE, ErrorRow, cause_of, log_unexpected, row_of, told, told_graphql
from resolvers import errors as requests
from resolvers.upstreams import errors as upstreams


def kinds(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


ROOTS = (
    http_errors.HttpRefused,
    document_errors.DocumentRefused,
    authenticator.AuthenticationFailed,
    requests.RequestError,
    upstreams.UpstreamError,
)


@pytest.mark.parametrize("kind", [kind for root in ROOTS for kind in kinds(root) if kind not in ROOTS])
def test_every_kind_of_error_is_in_the_table_with_its_own_code(kind: type[Exception]) -> None:
    row = next(row for row in ERROR_TABLE if issubclass(kind, row.exception))
    assert row.exception is not Exception
    assert row.code == kind.code  # type: ignore[attr-defined]


def test_no_row_hides_a_later_one() -> None:
    for position, row in enumerate(ERROR_TABLE):
        earlier = [one.exception for one in ERROR_TABLE[:position]]
        assert not any(issubclass(row.exception, kind) for kind in earlier)


@pytest.mark.parametrize("row", ERROR_TABLE)
def test_statuses_are_errors_or_200(row: ErrorRow) -> None:
    assert 400 <= row.status < 600
    assert row.status_json in (200, row.status)


def test_source_to_blame_is_named_and_detail_is_not_told() -> None:
    problem = upstreams.UpstreamRejected("gp", "gp refused the request.", detail="secret body")
    entry = told(problem, "id-1", path=["patient"])
    assert entry == {
        "message": "gp refused the request.",
        "path": ["patient"],
        "extensions": {"code": "UPSTREAM_REJECTED", "requestId": "id-1", "source": "gp"},
    }


def test_detail_of_a_source_is_in_the_log_under_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    told(upstreams.UpstreamUnavailable("gp", "gp could not be reached.", detail="refused, port 9"), "id-1")
    assert "UPSTREAM_UNAVAILABLE from gp, request id-1: refused, port 9" in caplog.text


def test_what_a_client_searched_for_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        told(upstreams.SearchNotSupported("gp", "gp does not support this search.", detail="Smith"), "id-1")
    assert "SEARCH_NOT_SUPPORTED from gp, request id-1" in caplog.text
    assert "Smith" not in caplog.text


def test_unknown_exception_says_nothing_of_itself() -> None:
    entry = told_graphql(GraphQLError("secret", path=["a"], original_error=KeyError("secret")), "id-1")
    assert "secret" not in str(entry)
    assert entry["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


def test_value_that_does_not_fit_on_its_way_out_is_no_input_error() -> None:
    inner = GraphQLError("Int cannot represent non-integer value: 'secret'")
    error = GraphQLError(inner.message, path=["a"], original_error=inner)
    assert row_of(cause_of(error)).code == "INTERNAL_SERVER_ERROR"


def test_log_names_the_place_and_never_the_message(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("secret")
    except ValueError as problem:
        with caplog.at_level(logging.ERROR):
            log_unexpected(problem, "id-1")
    assert "secret" not in caplog.text
    assert "ValueError" in caplog.text
    assert "test_errors.py" in caplog.text
