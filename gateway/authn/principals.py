"""From checked claims to a Principal: which claim says what is the issuer's table (`[issuers.claims]`)."""

import re
from typing import Any, Final

from clinical.identifiers import NHS_NUMBER_SYSTEM, is_nhs_number
from gateway.authn.authenticator import TokenInvalid
from gateway.authn.claims import Claims, claim, client_of, text
from gateway.authn.issuer import ClaimSettings, JwtIssuerSettings, OpaqueIssuerSettings
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes

SCOPE_CLAIMS: Final = ("scope", "scp")  # RFC 8693 section 4.2; Okta and Entra ID

PURPOSE_SYSTEMS: Final = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "http://hl7.org/fhir/v3/ActReason",
        "urn:oid:2.16.840.1.113883.5.8",
    }
)
"""The code system of the value set v3-PurposeOfUse, under its names in R4, STU3 and V3."""

_PURPOSE: Final = re.compile(r"[A-Z]{2,20}", re.ASCII)
_BANNER: Final = {True: True, False: False, "true": True, "false": False}


def principal_of(claims: Claims, issuer: JwtIssuerSettings | OpaqueIssuerSettings) -> Principal:
    """The principal that checked claims describe; raises `TokenInvalid` where one is missing or odd."""
    names = issuer.claims
    words = _scope_words(claims, names)
    client, fhir_user = client_of(claims), text(claims, names.fhir_user)
    scopes = parse_scopes(words)
    if issuer.fhir_user_required and not fhir_user:
        scopes = tuple(scope for scope in scopes if scope.level != "user")
    return Principal(
        issuer=issuer.issuer,
        client=client,
        subject=_subject(claims, client, issuer),
        scopes=scopes,
        words=other_words(words),
        patient=text(claims, names.patient),
        patient_source=issuer.patient_source,
        patient_identifier=_nhs_number(claims, names),
        fhir_user=fhir_user,
        encounter=text(claims, names.encounter),
        need_patient_banner=_banner(claims, names),
        purposes=purposes_of(claim(claims, names.purposes)),
        organization=text(claims, names.organization),
        care_team=text(claims, names.care_team),
        actor=text(claims, names.actor),
        token_id=text(claims, "jti"),
        expires_at=float(claims["exp"]),
        tier=text(claims, names.tier),
    )


def purposes_of(value: Any) -> tuple[str, ...]:
    """Codes of v3-PurposeOfUse, each once: from one or a list of `code`, `system|code`, or Codings.

    A code of another system, or one that is written otherwise, means nothing here and is left out.
    Raises `TokenInvalid` for what is no code at all.
    """
    listed = value if isinstance(value, list) else value.split(" ") if isinstance(value, str) else [value]
    codes = (_purpose(one) for one in listed if one is not None)
    return tuple(dict.fromkeys(code for code in codes if code))


def _purpose(value: Any) -> str | None:
    if isinstance(value, dict):  # IHE IUA: a Coding
        system, code = value.get("system", ""), value.get("code")
    elif isinstance(value, str):
        system, _, code = value.rpartition("|")
    else:
        raise TokenInvalid("a purpose of use is no code")
    if not isinstance(system, str) or not isinstance(code, str):
        raise TokenInvalid("a purpose of use is no code")
    is_known = not system or system in PURPOSE_SYSTEMS
    return code if is_known and _PURPOSE.fullmatch(code) else None


def _subject(claims: Claims, client: str, issuer: JwtIssuerSettings | OpaqueIssuerSettings) -> str:
    subject = text(claims, "sub")
    if subject is None and issuer.kind == "jwt":
        raise TokenInvalid("sub is missing")
    return subject or client  # RFC 7662 section 2.2: a client's own token may name no other subject


def _nhs_number(claims: Claims, names: ClaimSettings) -> str | None:
    number = text(claims, names.nhs_number)
    if number is None:
        return None
    if not is_nhs_number(number):
        raise TokenInvalid("the NHS number is not valid")
    return f"{NHS_NUMBER_SYSTEM}|{number}"


def _banner(claims: Claims, names: ClaimSettings) -> bool | None:
    value = claim(claims, names.need_patient_banner)
    if value is None:
        return None
    if not isinstance(value, bool | str) or value not in _BANNER:
        raise TokenInvalid(f"{names.need_patient_banner} is no boolean")
    return _BANNER[value]


def _scope_words(claims: Claims, names: ClaimSettings) -> list[str]:
    for name in SCOPE_CLAIMS if names.scope is None else (names.scope,):
        value = claim(claims, name)
        if isinstance(value, str):
            return value.split(" ")
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return value
        if value is not None:
            raise TokenInvalid(f"{name} is not a list of scopes")
    return []
