"""Field names for resource types: `observation`, `observations`, `familyMemberHistories`."""

from functools import cache

from clinical.compartment import patient_parameter

_IRREGULAR = {"Basic": "basics", "Media": "mediaItems", "List": "lists"}
"""Plurals that the rule gets wrong, reviewed one by one."""

_SERIES = ("latestObservation", "observationStats")


def field_name(resource_type: str) -> str:
    """The root field of one: the type's name with a small first letter."""
    return resource_type[0].lower() + resource_type[1:]


def plural(resource_type: str) -> str:
    """The root and reverse field of many."""
    if resource_type in _IRREGULAR:
        return _IRREGULAR[resource_type]
    name = field_name(resource_type)
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    return name + "s"


@cache
def patient_lists(served_types: frozenset[str]) -> frozenset[str]:
    """The reverse connections of Patient, and what else tells how complete it is."""
    lists = (plural(one) for one in served_types if patient_parameter(one) and one != "Patient")
    return frozenset((*lists, *_SERIES))
