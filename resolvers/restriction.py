"""Restricted demographics: what one source withholds, no other source fills in.

A record marked restricted (`meta.security` R or V; NHS PDS withholds address, telecom and general
practitioner for such a person) rules the whole merged Patient: whichever record is shown, it is
shown without those elements.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from clinical.parameters import parameters
from resolvers.resource import Resource

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_RESTRICTED = frozenset({"R", "V"})
WITHHELD = ("address", "telecom", "contact", "generalPractitioner", "managingOrganization", "photo")
"""Elements of Patient that say where a person is or can be reached."""


def is_restricted(record: Resource) -> bool:
    """Whether a record's confidentiality is restricted or very restricted."""
    meta = record.json.get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    return any(_restricts(label) for label in labels) if isinstance(labels, list) else False


@cache
def withheld_searches() -> frozenset[str]:
    """The search parameters of Patient that find by what is withheld: an answer to them would tell it."""
    return frozenset(
        code
        for code, parameter in parameters("Patient").items()
        if any(re.search(rf"\bPatient\.{element}\b", parameter.expression) for element in WITHHELD)
    )


def shown_record(records: Iterable[Resource]) -> Resource:
    """The record that a person is shown as: the first, without what any of the records withholds."""
    every = tuple(records)
    first = every[0]
    if len(every) == 1 or not any(is_restricted(one) for one in every):
        return first
    kept = {name: value for name, value in first.json.items() if name.lstrip("_") not in WITHHELD}
    return replace(first, json=kept)


def _restricts(label: Any) -> bool:
    return (
        isinstance(label, dict)
        and label.get("code") in _RESTRICTED
        and label.get("system") in (None, _CONFIDENTIALITY)
    )
