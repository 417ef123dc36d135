"""JSON in and out without losing a recorded digit.

FHIR decimals carry their precision: `5.10` is not `5.1` (R4 datatypes, decimal). A JSON number
that is not an integer therefore stays `msgspec.Raw`, the bytes as recorded, which are written
back verbatim.
"""

import re
from decimal import Decimal
from typing import Any

import msgspec

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?")
_LONGEST_NUMBER = 1000

_decoder = msgspec.json.Decoder(float_hook=msgspec.Raw)
_encoder = msgspec.json.Encoder(decimal_format="number")


class JsonInvalid(ValueError):
    """Bytes that are not JSON, or nest too deeply to read."""


class DecimalInvalid(ValueError):
    """A value that is not a FHIR decimal."""


def decode_json(data: bytes | str) -> Any:
    """Python values of a JSON text; non-integer numbers become `msgspec.Raw`. Raises JsonInvalid."""
    if isinstance(data, bytes) and data.startswith(_BYTE_ORDER_MARK):
        data = data[len(_BYTE_ORDER_MARK) :]
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise JsonInvalid(f"not readable as JSON: {type(problem).__name__}") from problem


def encode_json(value: Any) -> bytes:
    """JSON bytes; `msgspec.Raw` is written verbatim, a finite `Decimal` as a number with all its digits."""
    return _encoder.encode(value)


def digits(value: object) -> str:
    """The number as recorded (`5.10`), from any form in which resources carry one. Raises DecimalInvalid."""
    text = _number_text(value)
    if text is None or len(text) > _LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        raise DecimalInvalid("not a decimal number")
    return text


def as_decimal(value: object) -> Decimal:
    """The exact value with its recorded precision. Raises DecimalInvalid."""
    return Decimal(digits(value))


def _number_text(value: object) -> str | None:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode("ascii", "replace")
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    return None
