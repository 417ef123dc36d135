"""By what id a request names its document.

`documentId` is the parameter of GraphQL over HTTP (appendix "Persisted Documents"),
`extensions.persistedQuery` that of Apollo's automatic persisted queries. Both mean the same.
"""

import re
from hashlib import sha256
from typing import Any, Final

from gateway.graphql_request import GraphQLRequest
from gateway.http_errors import RequestMalformed

EXTENSION: Final = "persistedQuery"
VERSION: Final = 1
CHARACTERS_MAX: Final = 256

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ID: Final = re.compile(r"(?:x-[A-Za-z0-9._~-]+:)?[A-Za-z0-9._~-]+")
_SHA256: Final = "sha256:"


def document_name(request: GraphQLRequest) -> str | None:
    """The id by which the document is named, SHA-256 without prefix; raises `RequestMalformed`."""
    told = None if request.document_id is None else normal_id(request.document_id)
    if request.document_id is not None and told is None:
        raise RequestMalformed("`documentId` is no id of a document.")
    extension = (request.extensions or {}).get(EXTENSION)
    if extension is None:
        return told
    apollo = _apollo_name(extension)
    if told is not None and told != apollo:
        raise RequestMalformed(f"`documentId` and `extensions.{EXTENSION}` name different documents.")
    return apollo


def _apollo_name(extension: Any) -> str:
    where = f"`extensions.{EXTENSION}`"
    if not isinstance(extension, dict):
        raise RequestMalformed(f"{where} must be an object.")
    version = extension.get("version")
    if type(version) is not int or version != VERSION:
        raise RequestMalformed(f"{where} must be of version {VERSION}.")
    given = extension.get("sha256Hash")
    name = normal_id(given) if isinstance(given, str) else None
    if name is None:
        raise RequestMalformed(f"{where} must have the SHA-256 of a document, or its id, as `sha256Hash`.")
    return name


def normal_id(text: str) -> str | None:
    """The id in the form in which ids are compared; None where the text is none.

    Prefixes are reserved by the specification, except `sha256:` and those that begin with `x-`.
    """
    if len(text) > CHARACTERS_MAX:
        return None
    if text.startswith(_SHA256):
        payload = text.removeprefix(_SHA256)
        return payload if is_hash(payload) else None
    return text if _ID.fullmatch(text) else None


def is_hash(name: str) -> bool:
    """Whether an id has the form of a SHA-256 in hex."""
    return _HASH.fullmatch(name) is not None


def text_hash(text: str) -> str:
    """SHA-256 (hex) of a document's text, by which clients name it."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
