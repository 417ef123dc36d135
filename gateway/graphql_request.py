"""From an HTTP request to a GraphQL request (GraphQL over HTTP, section "Request")."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from gateway.http_errors import RequestMalformed

PARAMETERS: Final[tuple[str, ...]] = ("query", "operationName", "variables", "extensions", "documentId")
TEXTS: Final = frozenset({"query", "operationName", "documentId"})


class GraphQLRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What a client asks, as it asks it. Without `query` the document is named: by `document_id`, or in
    `extensions` (gateway.persisted.names)."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None


_Read = TypeVar("_Read")


def _number(text: str) -> Decimal:
    """A number with its digits. Raises ValueError where its exponent is out of all reason."""
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number out of range") from None


REQUEST_DECODER: Final = msgspec.json.Decoder(GraphQLRequest, float_hook=_number)
"""Reads the request in a JSON body."""
NO_REQUEST: Final = msgspec.DecodeError, UnicodeDecodeError, RecursionError
"""What that raises for a body that holds none: then `looked_at_closely` says why."""

_PARTS_DECODER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
"""A quantity that a client filters by keeps its digits: 5.10 is not a binary fraction."""


def check_request(request: GraphQLRequest, body: bytes, variables_bytes_max: int) -> None:
    """Looks at a request without a text, or of a long body; raises `RequestMalformed`."""
    if request.query is None:
        _check_names_a_document(request)
    if len(body) > variables_bytes_max:
        variables = _read(_PARTS_DECODER, body).get("variables", b"")
        _check_variables_size(len(bytes(variables)), variables_bytes_max)


def looked_at_closely(body: bytes) -> GraphQLRequest:
    """Finds out what is wrong with a body that could not be read; raises `RequestMalformed`."""
    if body.lstrip()[:1] == b"[":
        raise RequestMalformed("Batched requests are not served: send one operation per request.")
    parts = _read(_PARTS_DECODER, body)
    odd = "The body holds a number that is out of range."
    return _request({name: _read(_VALUE_DECODER, parts[name], odd) for name in PARAMETERS if name in parts})


def _read(
    decoder: msgspec.json.Decoder[_Read],
    text: bytes | msgspec.Raw,
    odd: str = "The body must be a JSON object.",
) -> _Read:
    """What a text holds. Raises RequestMalformed; `odd`: where it is JSON, and not what is expected."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise RequestMalformed(odd) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RequestMalformed("The body is not JSON.") from None
    except RecursionError:
        raise RequestMalformed("The body is nested too deeply.") from None


def request_of_query_string(query_string: bytes, variables_bytes_max: int) -> GraphQLRequest:
    """The request in a query string, its maps in JSON; raises `RequestMalformed`."""
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise RequestMalformed("The query string is not form-encoded UTF-8.") from None
    given = [(name, value) for name, value in pairs if name in PARAMETERS]
    texts = {name: value for name, value in given if value}
    if len({name for name, _ in given}) < len(given):
        raise RequestMalformed("A parameter stands in the query string more than once.")
    _check_variables_size(len(texts.get("variables", "").encode()), variables_bytes_max)
    return _request({name: _query_value(name, text) for name, text in texts.items()})


def _query_value(name: str, text: str) -> Any:
    if name in TEXTS:
        return text
    try:
        return _VALUE_DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise RequestMalformed(f"`{name}` is not JSON.") from None


def _check_variables_size(size: int, most: int) -> None:
    if size > most:
        raise RequestMalformed(f"`variables` are longer than {most} bytes, which is the most allowed.")


def _request(values: Mapping[str, Any]) -> GraphQLRequest:
    query, name, document_id = (_text(values, one) for one in ("query", "operationName", "documentId"))
    variables, extensions = _object(values, "variables"), _object(values, "extensions")
    request = GraphQLRequest(query, name, variables, extensions, document_id)
    _check_names_a_document(request)
    return request


def _check_names_a_document(request: GraphQLRequest) -> None:
    if request.query is None and request.document_id is None and not request.extensions:
        raise RequestMalformed("`query` is missing.")


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if not isinstance(value, str | None):
        raise RequestMalformed(f"`{name}` must be a string.")
    return value


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = values.get(name)
    if not isinstance(value, dict | None):
        raise RequestMalformed(f"`{name}` must be an object or null.")
    return value
