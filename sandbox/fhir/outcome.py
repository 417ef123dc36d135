"""OperationOutcome resources, and the refusals that become them (R4 operationoutcome.html)."""

from typing import Any

Json = dict[str, Any]


class RequestRefused(Exception):
    """A request that is answered by an OperationOutcome: `status` is HTTP's, `code` FHIR's issue type."""

    def __init__(self, status: int, code: str, diagnostics: str) -> None:
        super().__init__(diagnostics)
        self.status = status
        self.code = code
        self.diagnostics = diagnostics

    def outcome(self) -> Json:
        """The refusal as a resource."""
        return operation_outcome("error", self.code, self.diagnostics)


def operation_outcome(severity: str, code: str, *diagnostics: str) -> Json:
    """An OperationOutcome with one issue per sentence."""
    issues = [{"severity": severity, "code": code, "diagnostics": text} for text in diagnostics]
    return {"resourceType": "OperationOutcome", "issue": issues}
