"""What permissions depend on of a principal: principals with the same facts may see the same."""

from dataclasses import dataclass
from typing import Final

from clinical.parameters import resource_types
from permissions.narrowing import narrowing_of
from permissions.policy import PractitionerSettings
from permissions.principal import Principal
from permissions.scopes import ANY_TYPE, Level, Scope

_PATIENTS: Final = ("Patient", "RelatedPerson", "Person")
"""Whom `fhirUser` may name that is a patient or acts for one; of a Person nobody can tell."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of a principal that permissions depend on.

    `is_listed`: whether the user is on the list of those whose `user/` scopes count. `names_user`: whether
    the token says who the user is, `names_patient`: and that it may be a patient, or a patient's proxy.
    """

    scopes: frozenset[Scope]
    words: frozenset[str]
    purposes: frozenset[str]
    has_patient: bool
    is_listed: bool
    names_user: bool
    names_patient: bool
    local_source: str | None = None
    """The source to which the ids in the token's scopes belong, where the issuer has one."""

    @property
    def is_patients(self) -> bool:
        """Whether the caller is a patient or a proxy, as far as nothing says that it is not.

        An app that a patient has launched may also have scopes for a directory: `wide_types`.
        """
        if self.names_user:
            return self.names_patient
        return bool(self.usable("patient")) or not self.wide_types

    @property
    def wide_types(self) -> frozenset[str]:
        """Types (`*`: all) of which scopes reach more than one patient's; none where the user is named."""
        if self.names_user:
            return frozenset()
        wide = (*self.usable("user"), *self.usable("system"))
        return frozenset(one.type for one in wide if set(one.actions) & {"r", "s"})

    def usable(self, level: Level) -> tuple[Scope, ...]:
        """The scopes of a level, none where they permit no reading at all."""
        if (level == "patient" and not self.has_patient) or (level == "user" and not self.is_listed):
            return ()
        scopes = [one for one in self.scopes if one.level == level and _means_something(one)]
        reads = any(set(one.actions) & {"r", "s"} for one in scopes)
        return tuple(sorted(scopes, key=str)) if reads else ()


def facts_of(principal: Principal, practitioners: tuple[PractitionerSettings, ...]) -> Facts:
    """The facts of a principal. `practitioners`: whose `user/` scopes count; everybody's where empty."""
    user = (principal.fhir_user or "").split("/")
    return Facts(
        frozenset(principal.scopes),
        principal.words,
        frozenset(principal.purposes),
        principal.has_patient,
        _is_listed(principal, practitioners),
        bool(principal.fhir_user),
        any(one in _PATIENTS for one in user),
        principal.patient_source,
    )


def _is_listed(principal: Principal, practitioners: tuple[PractitionerSettings, ...]) -> bool:
    if not practitioners:
        return True
    for row in practitioners:
        is_theirs = (
            row.organization == principal.organization
            if row.organization is not None
            else row.care_team == principal.care_team
        )
        if is_theirs and ("*" in row.users or principal.fhir_user in row.users):
            return True
    return False


def _means_something(scope: Scope) -> bool:
    """Whether any type is within the scope: one that FHIR has, narrowed by what can be evaluated for it."""
    types = [one for one in resource_types() if scope.type in (ANY_TYPE, one)]
    return any(narrowing_of(one, scope.narrowing) is not None for one in types)
