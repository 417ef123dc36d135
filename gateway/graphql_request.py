"""From an HTTP request to a GraphQL request (GraphQL over HTTP, section "Request")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from gateway.http_errors import RequestMalformed

PARAMETERS: Final[tuple[str, ...]] = ("query", "operationName", "variables", "extensions")
_DECODER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
"""A quantity that a client filters by keeps its digits: 5.10 is not a binary fraction."""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks, as it asks it."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


def request_of_body(body: bytes, variables_bytes_max: int) -> GraphQLRequest:
    """The request in a JSON body; raises `RequestMalformed`."""
    if body.lstrip()[:1] == b"[":
        raise RequestMalformed("Batched requests are not served: send one operation per request.")
    try:
        raw = _DECODER.decode(body)
        values = {name: _VALUE_DECODER.decode(raw[name]) for name in PARAMETERS if name in raw}
    except msgspec.ValidationError:
        raise RequestMalformed("The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RequestMalformed("The body is not JSON.") from None
    except RecursionError:
        raise RequestMalformed("The body is nested too deeply.") from None
    _check_variables_size(len(bytes(raw.get("variables", b""))), variables_bytes_max)
    return _request(values)


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
    if name in ("query", "operationName"):
        return text
    try:
        return _VALUE_DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise RequestMalformed(f"`{name}` is not JSON.") from None


def _check_variables_size(size: int, most: int) -> None:
    if size > most:
        raise RequestMalformed(f"`variables` are longer than {most} bytes, which is the most allowed.")


def _request(values: Mapping[str, Any]) -> GraphQLRequest:
    query, operation_name = values.get("query"), values.get("operationName")
    if query is None:
        raise RequestMalformed("`query` is missing.")
    if not isinstance(query, str):
        raise RequestMalformed("`query` must be a string.")
    if not isinstance(operation_name, str | None):
        raise RequestMalformed("`operationName` must be a string or null.")
    return GraphQLRequest(query, operation_name, _object(values, "variables"), _object(values, "extensions"))


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestMalformed(f"`{name}` must be an object or null.")
    return value
