"""Security labels: what `meta.security` withholds from whom (R4 security-labels.html, HL7 HCS)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from permissions.policy import Clearance, LabelSettings, Policy

Labels = Sequence[Any]
"""`meta.security` as recorded: Codings, if the source keeps to FHIR."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a caller is cleared by."""

    words: frozenset[str]
    purposes: frozenset[str]
    is_patients: bool
    """Whether the caller is the patient, or a proxy of the patient."""


class LabelRules:
    """The labels that withhold resources from one caller."""

    def __init__(self, policy: Policy, cleared: Cleared) -> None:
        breaks_glass = bool(cleared.purposes & set(policy.break_glass.purposes))
        self._rows = [one for one in policy.labels if _withholds(one, cleared, breaks_glass=breaks_glass)]
        self._known: dict[tuple[str, str | None, str], bool] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no label withholds anything."""
        return not self._rows

    def codes(self, resource_type: str) -> tuple[str, ...]:
        """The labels that withhold resources of a type, as `system|code`."""
        rows = (one for one in self._rows if resource_type not in one.but_types)
        return tuple(dict.fromkeys(code for one in rows for code in one.codes))

    def withhold(self, resource: Mapping[str, Any], resource_type: str) -> bool:
        """Whether a resource is withheld by what it says of itself."""
        meta = resource.get("meta")
        labels = meta.get("security") if type(meta) is dict else None
        if labels is None:
            return False
        if type(labels) is not list:
            return not self.is_empty  # a label that cannot be read is no clearance
        return any(self._is_withheld(resource_type, label) for label in labels)

    def _is_withheld(self, resource_type: str, label: Any) -> bool:
        if label is None:
            return False
        system, code = (label.get("system"), label.get("code")) if type(label) is dict else (None, None)
        if type(code) is not str or (system is not None and type(system) is not str):
            return not self.is_empty
        return self.names(resource_type, system, code)

    def names(self, resource_type: str, system: str | None, code: str) -> bool:
        """Whether a label withholds resources of a type. One without a system may be of any."""
        key = (resource_type, system, code)
        known = self._known.get(key)
        if known is None:
            listed = (one.rpartition("|") for one in self.codes(resource_type))
            known = any(code == name and system in (None, of) for of, _, name in listed)
            if len(self._known) < _KNOWN_MAX:
                self._known[key] = known
        return known


_KNOWN_MAX = 1_000


def _withholds(row: LabelSettings, cleared: Cleared, *, breaks_glass: bool) -> bool:
    if row.withheld_from_patients_only:
        return cleared.is_patients and not _is_cleared(row.clearances, cleared)
    return not breaks_glass and not _is_cleared(row.clearances, cleared)


def _is_cleared(clearances: Iterable[Clearance], cleared: Cleared) -> bool:
    return any(
        (not one.purposes or cleared.purposes & set(one.purposes))
        and (not one.scopes or any(words.words <= cleared.words for words in one.alternatives))
        for one in clearances
    )
