"""What can be wrong with a question, told to the one who asked.

    RequestError
    +-- ArgumentInvalid      an argument's value cannot be used          BAD_USER_INPUT
    |   +-- CursorInvalid    a cursor that is not ours, or not for this  BAD_USER_INPUT
    |   +-- IdentifierAmbiguous (identity.py)  several people have it    BAD_USER_INPUT
    +-- ReferenceNotFound    a reference that leads nowhere              REFERENCE_NOT_FOUND
    +-- AccessForbidden      a question outside the caller's rights      FORBIDDEN

Faults of a source are `resolvers.upstreams.errors`. Messages are safe to show.
"""

from typing import ClassVar


class RequestError(Exception):
    """A question that cannot be answered as asked."""

    code: ClassVar[str] = "BAD_USER_INPUT"

    def __init__(self, message: str, source: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source


class ArgumentInvalid(RequestError):
    """An argument's value cannot be used."""


class CursorInvalid(ArgumentInvalid):
    """The cursor is not one of ours, has expired, or belongs to another question or caller."""


class ReferenceNotFound(RequestError):
    """A reference leads to nothing that this gateway can show."""

    code = "REFERENCE_NOT_FOUND"


class AccessForbidden(RequestError):
    """The caller's rights do not cover the question."""

    code = "FORBIDDEN"
