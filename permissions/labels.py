"""Security labels: what `meta.security` withholds from whom (R4 security-labels.html, HL7 HCS)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from permissions.policy import Clearance, LabelSettings, Policy
from permissions.scopes import ANY_TYPE

Labels = Sequence[Any]
"""`meta.security` as recorded: Codings, if the source keeps to FHIR."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a caller is cleared by."""

    words: frozenset[str]
    purposes: frozenset[str]
    is_patients: bool
    """Whether the caller is the patient, or a proxy of the patient."""
    wide_types: frozenset[str] = frozenset()
    """Types (`*`: all) of which a caller who may be the patient also has scopes for anybody's records."""


class LabelRules:
    """The labels that withhold resources from one caller."""

    def __init__(self, policy: Policy, cleared: Cleared) -> None:
        breaks_glass = bool(cleared.purposes & set(policy.break_glass.purposes))
        self._rows = [one for one in policy.labels if _withholds(one, cleared, breaks_glass=breaks_glass)]
        self._wide = cleared.wide_types
        self._known: dict[tuple[str, str | None, str], bool] = {}

    def codes(self, resource_type: str) -> tuple[str, ...]:
        """The labels that withhold resources of a type, as `system|code`."""
        rows = (one for one in self._rows if self._is_about(one, resource_type))
        return tuple(dict.fromkeys(code for one in rows for code in one.codes))

    def withholds_odd(self, resource_type: str) -> bool:
        """Whether a resource is withheld that has a label which cannot be read: that is no clearance."""
        return any(self._is_about(one, resource_type) for one in self._rows)

    def _is_about(self, row: LabelSettings, resource_type: str) -> bool:
        if row.withheld_from_patients_only and not self._wide.isdisjoint((resource_type, ANY_TYPE)):
            return False
        return resource_type not in row.but_types

    def withhold(self, resource: Mapping[str, Any], resource_type: str) -> bool:
        """Whether a resource is withheld by what it says of itself."""
        meta = resource.get("meta")
        labels = meta.get("security") if type(meta) is dict else None
        if labels is None:
            return False
        if type(labels) is not list:
            return self.withholds_odd(resource_type)
        return any(self._is_withheld(resource_type, label) for label in labels)

    def withhold_any(self, resources: Iterable[Mapping[str, Any]], resource_type: str) -> bool:
        """Whether one of some resources is withheld by what it says of itself."""
        listed = list(resources)
        try:
            listed = [one for one in listed if "security" in one.get("meta", ())]
        except TypeError:  # what is no `meta`
            pass
        for one in listed:  # noqa: SIM110  as in most
            if self.withhold(one, resource_type):
                return True
        return False

    def _is_withheld(self, resource_type: str, label: Any) -> bool:
        if label is None:
            return False
        system, code = (label.get("system"), label.get("code")) if type(label) is dict else (None, None)
        if type(code) is not str or (system is not None and type(system) is not str):
            return self.withholds_odd(resource_type)
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
