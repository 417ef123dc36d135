"""Why a document is refused before anything is fetched.

DocumentRefused
+-- DocumentLimitExceeded   too long, deep or wide             DOCUMENT_LIMIT_EXCEEDED
+-- DocumentUnparsable      not GraphQL                        GRAPHQL_PARSE_FAILED
+-- DocumentInvalid         not valid against the schema       GRAPHQL_VALIDATION_FAILED
+-- OperationUnknown        no such operation in the document  BAD_USER_INPUT
+-- VariablesUnfit          not what the operation declares    BAD_USER_INPUT
+-- OperationNotAllowed     introspection off, not trusted     OPERATION_NOT_ALLOWED
+-- DocumentUnknown         no document of that id             PERSISTED_QUERY_NOT_FOUND
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from graphql import GraphQLError


class DocumentRefused(Exception):
    """A document that will not be executed. `errors` are safe to show, with their places in the text."""

    code: ClassVar[str] = "GRAPHQL_VALIDATION_FAILED"

    def __init__(self, *errors: GraphQLError) -> None:
        super().__init__(errors[0].message)
        self.errors: Sequence[GraphQLError] = errors

    @classmethod
    def because(cls, message: str) -> Self:
        """A refusal with one sentence and no place."""
        return cls(GraphQLError(message))


class DocumentLimitExceeded(DocumentRefused):
    """The document asks for more than one document may."""

    code = "DOCUMENT_LIMIT_EXCEEDED"


class DocumentUnparsable(DocumentRefused):
    """The text is not a GraphQL document."""

    code = "GRAPHQL_PARSE_FAILED"


class DocumentInvalid(DocumentRefused):
    """The document does not fit the schema."""


class OperationUnknown(DocumentRefused):
    """The document holds no operation of that name, or several and no name was given."""

    code = "BAD_USER_INPUT"


class VariablesUnfit(DocumentRefused):
    """The variables are not what the operation declares, or an argument is out of range; found before the
    operation runs."""

    code = "BAD_USER_INPUT"


class OperationNotAllowed(DocumentRefused):
    """The operation is of a kind that is not served, or not one that the caller may ask."""

    code = "OPERATION_NOT_ALLOWED"


class DocumentUnknown(DocumentRefused):
    """No document is known by that id: the client has to send the text."""

    code = "PERSISTED_QUERY_NOT_FOUND"
