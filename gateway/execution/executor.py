"""What an executor is: prepared document, variables and context in, data and errors out."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from graphql import GraphQLError

from gateway.prepare import PreparedDocument
from resolvers.context import RequestContext


class ExecutionResult(msgspec.Struct, frozen=True):
    """Data and errors of one execution (GraphQL 6 and 7.1).

    `data` is None where nothing was executed or null reached the root.
    """

    data: dict[str, Any] | None
    errors: list[GraphQLError] = msgspec.field(default_factory=list)


class Executor(Protocol):
    """Runs operations of the schema that it was made for."""

    async def run(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
    ) -> ExecutionResult:
        """Executes; never raises for what the operation or a source does, only for a defect."""

    def unfit(self, prepared: PreparedDocument, variables: Mapping[str, Any]) -> list[GraphQLError]:
        """What is wrong with variables, as executing would tell it; nothing is executed."""
