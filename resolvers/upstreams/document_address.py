"""Where the document of a patient is, and by what id the patient goes here.

An address with `{id}` is that of an account of the link table, which is the patient's id as well. An address
with `{nhs_number}` is that of anybody; the patient's id is then the number sealed, because ids are written to
logs and an NHS number is not (AES-SIV, RFC 5297: the same number always has the same id).
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token, is_nhs_number
from resolvers.resource import Json
from resolvers.upstreams.accounts import LinkedAccounts

KEY_BYTES: Final = 64
NUMBER_BYTES: Final = 5
SEALED_LENGTH: Final = 34
_PURPOSE: Final = [b"clinical-gateway document id"]


class Addresses(Protocol):
    """One way to find documents."""

    def patients_of(self, identifier: Token) -> tuple[str, ...]:
        """The ids of the patients who have an identifier."""

    def path(self, patient: str) -> str | None:
        """Where the document of a patient is, below the base; None for what is no patient's id."""

    def is_of(self, patient: str, record: Json) -> bool:
        """Whether a Patient in a document is the one whose document was asked for."""

    def identifiers(self, patient: str) -> list[Json]:
        """What is known of a patient beside what the document says."""


@dataclass(frozen=True, slots=True)
class NumberAddresses:
    """Documents by NHS number."""

    template: str
    key: bytes

    def patients_of(self, identifier: Token) -> tuple[str, ...]:
        number = identifier.code or ""
        if identifier.system != NHS_NUMBER_SYSTEM or not is_nhs_number(number):
            return ()
        sealed = AESSIV(self.key).encrypt(int(number).to_bytes(NUMBER_BYTES), _PURPOSE)
        return (base64.b32encode(sealed).decode().rstrip("=").lower(),)

    def path(self, patient: str) -> str | None:
        number = self._number(patient)
        return None if number is None else self.template.replace("{nhs_number}", number)

    def is_of(self, patient: str, record: Json) -> bool:
        return _numbers(record) == {self._number(patient)}

    def identifiers(self, patient: str) -> list[Json]:
        return []

    def _number(self, patient: str) -> str | None:
        if len(patient) != SEALED_LENGTH or patient != patient.lower():
            return None
        try:
            padded = patient.upper() + "=" * (-SEALED_LENGTH % 8)
            plain = AESSIV(self.key).decrypt(base64.b32decode(padded), _PURPOSE)
        except (InvalidTag, binascii.Error, ValueError):
            return None
        number = f"{int.from_bytes(plain):010d}"
        return number if self.patients_of(Token(NHS_NUMBER_SYSTEM, number)) == (patient,) else None


@dataclass(frozen=True, slots=True)
class AccountAddresses:
    """Documents by accounts of the link table. A document that states another NHS number than the table is
    not this person's."""

    template: str
    accounts: LinkedAccounts

    def patients_of(self, identifier: Token) -> tuple[str, ...]:
        return self.accounts.of(identifier)

    def path(self, patient: str) -> str | None:
        if patient not in self.accounts.all():
            return None
        return self.template.replace("{id}", quote(patient, safe=""))

    def is_of(self, patient: str, record: Json) -> bool:
        linked = {row["value"] for row in self.identifiers(patient) if row["system"] == NHS_NUMBER_SYSTEM}
        stated = _numbers(record)
        if stated and linked and stated != linked:
            return False
        return record.get("id") == patient or bool(stated & linked)

    def identifiers(self, patient: str) -> list[Json]:
        return self.accounts.identifiers(patient)


def _numbers(record: Json) -> set[str | None]:
    """The NHS numbers that a Patient states of itself and that pass their check; old ones do not count."""
    stated = record.get("identifier")
    rows = [row for row in stated if isinstance(row, dict)] if isinstance(stated, list) else []
    values = [
        str(row.get("value")).replace(" ", "")
        for row in rows
        if row.get("system") == NHS_NUMBER_SYSTEM and row.get("use") != "old"
    ]
    return {value for value in values if is_nhs_number(value)}
