"""Who asks: the verified facts of a token, and nothing that was not verified."""

from dataclasses import dataclass

from permissions.scopes import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request.

    `patient` is the token's launch patient exactly as the issuer gave it (any id form
    of docs/schema.md, or a bare FHIR id); `patient_source` names the source such a bare id
    belongs to. `token_id` is the token's `jti`, safe to log; the token itself is not kept.
    """

    issuer: str
    client: str
    subject: str
    scopes: tuple[Scope, ...]
    patient: str | None = None
    patient_source: str | None = None
    fhir_user: str | None = None
    token_id: str | None = None
    expires_at: float = 0.0
