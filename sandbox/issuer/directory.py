"""Who and what the sandbox has, as its sandbox.json says: people to pick from, the gateway's addresses."""

from pathlib import Path

import msgspec


class Patient(msgspec.Struct, frozen=True):
    """A person of the sandbox. `record_url` is the FHIR record that stands for the person as a user."""

    id: str
    name: str
    birth_date: str
    nhs_number: str | None
    record_url: str


class Directory(msgspec.Struct, frozen=True):
    """What an authorization needs to know. `clinician` is a practitioner's URL, as SMART's `fhirUser`."""

    base_url: str
    graphql_url: str
    audience: str
    clinician: str
    patients: tuple[Patient, ...]

    def find(self, name: str) -> Patient | None:
        """The patient with this id of the gateway or NHS number."""
        return next((one for one in self.patients if name and name in (one.id, one.nhs_number)), None)

    def is_gateway(self, audience: str) -> bool:
        """Whether SMART's `aud` names the gateway: its base URL, its endpoint or the tokens' audience."""
        return audience.rstrip("/") in (self.base_url, self.graphql_url, self.audience)


def read_directory(path: Path) -> Directory | None:
    """The directory of a running sandbox; None while it is not ready."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Directory)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
