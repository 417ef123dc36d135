"""Whether scopes permit to see a resource: the rule in ten lines, from the words of a token and the resource
as recorded. It knows nothing of the gateway (SMART App Launch 2.2, scopes and launch context)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]

WORD = re.compile(
    r"(patient|user|system)/(\*|[A-Z]\w*)\.(?:(read|write|\*)|(?=.)(c?r?u?d?s?)(?:\?([^=&]+=[^&]+(?:&[^=&]+=[^&]+)*))?)"
)
OLD = {"read": "rs", "write": "cud", "*": "cruds"}
CODED = ("Observation", "Condition", "DiagnosticReport")
NARROWS = {"category": (*CODED, "MedicationRequest"), "code": (*CODED, "Medication", "MedicationRequest")}
"""The parameters that the tests narrow by, beside `_id`, with the types that have them."""


def permits(
    scope: str, action: str, source: str, resource: Json, own: frozenset[str], *, followed: bool
) -> bool:
    """Whether a resource may be seen, by `r` (id, reference) or `s` (list). `own`: the local records of the
    token's patient, each with its source; `followed`: a resource that may be seen refers to it."""
    about = subject(source, resource)
    is_own = about in own or (followed and about is None and bool(own))
    return any(
        kind in ("*", resource["resourceType"])
        and action in OLD.get(old or "", letters or "")
        and (is_own or level != "patient")
        and all(has(source, resource, *one.split("=", 1)) for one in (narrowing or "").split("&") if one)
        for level, kind, old, letters, narrowing in (one.groups() for one in words(scope))
    )


def could(scope: str, action: str, kind: str, *, is_for_patient: bool) -> bool:
    """Whether there may be a resource of a type that the scopes permit to see."""
    return any(
        said in ("*", kind)
        and action in OLD.get(old or "", letters or "")
        and (is_for_patient or level != "patient")
        and all(is_known(kind, one.partition("=")[0]) for one in (narrowing or "").split("&") if one)
        for level, said, old, letters, narrowing in (one.groups() for one in words(scope))
    )


def words(scope: str) -> list[re.Match[str]]:
    return [said for word in scope.split(" ") if (said := WORD.fullmatch(word))]


def is_known(kind: str, parameter: str) -> bool:
    return parameter == "_id" or kind in NARROWS.get(parameter, ())


def has(source: str, resource: Json, parameter: str, value: str) -> bool:
    """The ids in a scope are those of the issuer's own source, which is the hospital."""
    wanted = unquote(value).split(",")
    if parameter == "_id":
        return resource["id"] in wanted and source == "ehr"
    if not is_known(resource["resourceType"], parameter):
        return False
    held = resource.get(parameter) or []
    codings = [one for each in (held if isinstance(held, list) else [held]) for one in each.get("coding", ())]
    return any(f"{one.get('system')}|{one['code']}" in wanted or one["code"] in wanted for one in codings)


def subject(source: str, resource: Json) -> str | None:
    """The local record of whom a resource is about, with its source."""
    if resource["resourceType"] == "Patient":
        return f"{source}/Patient/{resource['id']}"
    text = (resource.get("subject") or resource.get("patient") or {}).get("reference")
    return None if text is None else f"{source}/{local(text)}"


def local(reference: str) -> str:
    """`Patient/1001` of a reference of any form."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])
