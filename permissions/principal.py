"""Who asks: the verified facts of a token, and nothing that was not verified."""

from dataclasses import dataclass

from permissions.scopes import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request.

    `scopes` are the resource scopes of the token, `words` every other word of its scope (`openid`,
    `launch/patient`, a deployment's own). `patient` is the token's launch patient exactly as the issuer
    gave it (any id form of docs/schema.md, or a bare FHIR id); `patient_source` names the source such a
    bare id belongs to. `patient_identifier` is a verified linking identifier as `system|value`, where
    the issuer names the patient by it (an NHS number) instead. `purposes` are codes of v3-PurposeOfUse;
    `organization`, `care_team` and `actor` name for whom and by whom the client acts. `token_id` is the
    token's `jti`, safe to log; the token itself is not kept. `tier` is the rate-limit tier that the
    issuer names.
    """

    issuer: str
    client: str
    subject: str
    scopes: tuple[Scope, ...]
    words: frozenset[str] = frozenset()
    patient: str | None = None
    patient_source: str | None = None
    patient_identifier: str | None = None
    fhir_user: str | None = None
    encounter: str | None = None
    need_patient_banner: bool | None = None
    purposes: tuple[str, ...] = ()
    organization: str | None = None
    care_team: str | None = None
    actor: str | None = None
    token_id: str | None = None
    expires_at: float = 0.0
    tier: str | None = None

    @property
    def has_patient(self) -> bool:
        """Whether the token is for one patient."""
        return bool(self.patient or self.patient_identifier)
