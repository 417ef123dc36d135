"""A record that states an identifier of a person and is not linked: which, and why."""

from enum import Enum
from typing import Final

import msgspec

from resolvers.resource import Resource


class ConflictReason(Enum):
    """Why a record is not linked (docs/record.md)."""

    BIRTH_DATE_DISAGREES = "BIRTH_DATE_DISAGREES"
    GENDER_DISAGREES = "GENDER_DISAGREES"
    FAMILY_NAME_DISAGREES = "FAMILY_NAME_DISAGREES"
    IDENTIFIERS_DISAGREE = "IDENTIFIERS_DISAGREE"
    SEVERAL_IDENTIFIERS = "SEVERAL_IDENTIFIERS"
    IDENTIFIER_SHARED = "IDENTIFIER_SHARED"
    IDENTIFIER_SUPERSEDED = "IDENTIFIER_SUPERSEDED"
    REPLACED_RECORD_UNREADABLE = "REPLACED_RECORD_UNREADABLE"


MESSAGES: Final = {
    ConflictReason.BIRTH_DATE_DISAGREES: "a record with this identifier disagrees on the birth date",
    ConflictReason.GENDER_DISAGREES: "a record with this identifier disagrees on the gender",
    ConflictReason.FAMILY_NAME_DISAGREES: "a record with this identifier disagrees on the family name",
    ConflictReason.IDENTIFIERS_DISAGREE: "a record with this identifier disagrees on another identifier",
    ConflictReason.SEVERAL_IDENTIFIERS: "a record states several identifiers of one kind",
    ConflictReason.IDENTIFIER_SHARED: "a record states an identifier that several people have",
    ConflictReason.IDENTIFIER_SUPERSEDED: "a record with this identifier was replaced by another person's",
    ConflictReason.REPLACED_RECORD_UNREADABLE: "a record was replaced by one that cannot be read",
}
"""What a person is told of each reason; nothing of anybody's record."""


class IdentityConflict(msgspec.Struct, frozen=True, eq=False):
    """One record that is not linked to a person whose identifier it states."""

    record: Resource
    reason: ConflictReason

    @property
    def source(self) -> str:
        """The source that holds the record."""
        return self.record.source

    @property
    def record_id(self) -> str:
        """The record's own id."""
        return f"{self.record.source}/Patient/{self.record.id}"

    @property
    def message(self) -> str:
        """What the source's outcome says of it."""
        return f"{MESSAGES[self.reason]}; it is left out"
