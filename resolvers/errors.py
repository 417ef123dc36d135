"""What can be wrong with a question, told to the one who asked.

    RequestError
    +-- ArgumentInvalid      an argument's value cannot be used          BAD_USER_INPUT
    |   +-- CursorInvalid    a cursor that is not ours, or not for this  BAD_USER_INPUT
    |   +-- IdentifierAmbiguous (person_lookup.py)  several people have it    BAD_USER_INPUT
    +-- AmountNotConvertible an amount that cannot be told in a unit     UNIT_NOT_CONVERTIBLE
    +-- ReferenceNotFound    a reference that leads nowhere              REFERENCE_NOT_FOUND
    +-- AccessForbidden      a question outside the caller's rights      FORBIDDEN
    +-- OperationUnauthorized  an operation with such a field, where none is answered in part  FORBIDDEN
    +-- AnswerIncomplete     part of a record, for a caller who must not act on that  INCOMPLETE
    +-- FieldUnauthorized    a field or type that the scopes do not permit  UNAUTHORIZED_FIELD_OR_TYPE

Faults of a source are `resolvers.upstreams.errors`. Messages are safe to show.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar


class RequestError(Exception):
    """A question that cannot be answered as asked."""

    code: ClassVar[str] = "BAD_USER_INPUT"

    def __init__(self, message: str, source: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source

    @property
    def extensions(self) -> dict[str, object]:
        """What the error says beside its code."""
        return {}


class ArgumentInvalid(RequestError):
    """An argument's value cannot be used."""


class CursorInvalid(ArgumentInvalid):
    """The cursor is not one of ours, has expired, or belongs to another question or caller."""


class AmountNotConvertible(RequestError):
    """An amount that cannot be told in the unit asked for; the message says why, without the amount."""

    code = "UNIT_NOT_CONVERTIBLE"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The amount cannot be told in this unit: {reason}.")


class ReferenceNotFound(RequestError):
    """A reference leads to nothing that this gateway can show."""

    code = "REFERENCE_NOT_FOUND"


class AccessForbidden(RequestError):
    """The caller's rights do not cover the question."""

    code = "FORBIDDEN"


class AnswerIncomplete(RequestError):
    """The answer would lack what some sources hold, and the caller wants all of it or nothing.

    `gaps`: the sources to blame, each with its status and, where there is one, a message.
    """

    code = "INCOMPLETE"

    def __init__(self, gaps: Sequence[Mapping[str, object]]) -> None:
        names = ", ".join(str(one["source"]) for one in gaps)
        super().__init__(f"The answer is not complete ({names}), and a complete one is required.")
        self.gaps = [dict(one) for one in gaps]

    @property
    def extensions(self) -> dict[str, object]:
        """What the error says beside its code."""
        return {"sources": self.gaps}


class FieldUnauthorized(RequestError):
    """The caller's scopes do not permit a field or a type: null stands in its place.

    `required`: the scopes that would, any of the lists, each as a whole.
    """

    code = "UNAUTHORIZED_FIELD_OR_TYPE"

    def __init__(self, coordinate: str, required: Iterable[Sequence[str]]) -> None:
        super().__init__(f"The access token does not permit {coordinate}.")
        self.coordinate = coordinate
        self.required = [list(one) for one in required]

    @property
    def extensions(self) -> dict[str, object]:
        """What the error says beside its code."""
        return {"coordinate": self.coordinate, "requiredScopes": self.required}


class OperationUnauthorized(RequestError):
    """The caller's scopes do not permit all of an operation, and the deployment then answers none of it."""

    code = "FORBIDDEN"

    def __init__(
        self, denied: Sequence[tuple[FieldUnauthorized, tuple[str | int, ...]]], levels: Sequence[str]
    ) -> None:
        super().__init__("The access token does not permit all that the operation selects.")
        self.denied = tuple(denied)
        self._levels = tuple(f"{one}/" for one in levels)

    @property
    def required(self) -> str:
        """Scopes that would do, of the caller's own levels where such do, for the challenge (RFC 6750 section
        3)."""
        words = (word for error, _ in self.denied for word in self._nearest(error.required))
        return " ".join(dict.fromkeys(words))

    def _nearest(self, required: Sequence[Sequence[str]]) -> Sequence[str]:
        own = (one for one in required if any(word.startswith(self._levels) for word in one))
        return next(own, required[0] if required else ())
