"""Restricted demographics: what one source withholds, no other source fills in.

A record marked restricted (`meta.security` R or V; NHS PDS withholds address, telecom and general
practitioner for such a person) rules the whole merged Patient: whichever record is shown, it is
shown without those elements.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from msgspec.structs import replace

from clinical.parameters import parameters
from resolvers.cache import Cache
from resolvers.outcome import SourceOutcome
from resolvers.resource import Resource

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_RESTRICTED = frozenset({"R", "V"})
OPENNESS = "restricted:"
"""Where it is remembered whether a person's whereabouts are withheld, before the person's id."""
OPEN = b"0"
"""What is remembered of a person whose whereabouts no source withholds, where each was asked."""
WITHHELD = ("address", "telecom", "contact", "generalPractitioner", "managingOrganization", "photo")
"""Elements of Patient that say where a person is or can be reached."""


def is_restricted(record: Resource) -> bool:
    """Whether a record's confidentiality is restricted or very restricted."""
    meta = record.json.get("meta")
    labels = meta.get("security") if type(meta) is dict else None
    return labels is not None and type(labels) is list and any(map(_restricts, labels))


def open_to_remember(person_ids: Sequence[str]) -> dict[str, bytes]:
    """What is remembered of many persons whose whereabouts are not withheld."""
    return dict.fromkeys([OPENNESS + one for one in person_ids], OPEN)


@cache
def withheld_searches() -> frozenset[str]:
    """The search parameters of Patient that find by what is withheld: an answer to them would tell it."""
    return frozenset(
        code
        for code, parameter in parameters("Patient").items()
        if any(re.search(rf"\bPatient\.{element}\b", parameter.expression) for element in WITHHELD)
    )


class Restrictions:
    """Whose whereabouts are withheld, remembered for the time in which a source that says so is down.

    `trusted`: the sources whose word counts. While one of them cannot be asked and nothing is
    remembered of the person, the person's whereabouts are withheld: nobody knows better.
    """

    def __init__(self, trusted: frozenset[str], cache: Cache) -> None:
        self._trusted = trusted
        self._cache = cache
        self._complete: Mapping[str, SourceOutcome] | None = None
        """Outcomes that lack no trusted source's word: most persons of a request share theirs."""

    def judge(
        self,
        person_id: str,
        records: Sequence[Resource],
        outcomes: Mapping[str, SourceOutcome],
        remember: dict[str, bytes],
    ) -> bool | None:
        """Whether a Patient of these records is shown without what says where the person is.

        None where that is not known from the answers: then `recall` it. `remember` is given what is.
        """
        is_known = False
        for record in records:
            is_known = is_known or is_restricted(record)
        if outcomes is not self._complete:
            for one in outcomes.values():
                if one.is_unanswered and one.source in self._trusted:
                    return True if is_known else None
            self._complete = outcomes
        remember[OPENNESS + person_id] = b"1" if is_known else OPEN
        return is_known

    async def recall(self, person_id: str) -> bool:
        """What was remembered when every source was last asked; where nothing is, they are withheld."""
        return await self._cache.get(OPENNESS + person_id) != OPEN


def without_whereabouts(first: Resource) -> Resource:
    """A Patient record without what a restricted record of the person withholds."""
    kept = {name: value for name, value in first.json.items() if name.lstrip("_") not in WITHHELD}
    return replace(first, json=kept)


def _restricts(label: Any) -> bool:
    return (
        isinstance(label, dict)
        and label.get("code") in _RESTRICTED
        and label.get("system") in (None, _CONFIDENTIALITY)
    )
