"""Which observations the three sources hold of a person, told in two ways that know nothing of the gateway:
from the population that the sources were built from, and by asking the sources themselves.

An observation is told apart by its source, its place there, and its id (FHIR) or its vendor's numbers:
`4716596696:1` for measure 1 of a group, `4716596696:9 4716596696:10` for the two pressures of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.population.model import Account, Person, Population
from tests.running import Sandbox

Json = dict[str, Any]
Held = tuple[str, str, str]
"""(source, place, id); the place is a practice's code, else empty."""

ERROR = "entered-in-error"
SINGLE_MEASURES = frozenset((1, 4, 6, 11, 54, 71))
PRESSURES = frozenset((9, 10))
BEGINNING, END = "2000-01-01", "2100-01-01"


@dataclass(frozen=True, slots=True)
class Holdings:
    """The observations of one person; `withdrawn` are those entered in error."""

    shown: frozenset[Held]
    withdrawn: frozenset[Held]


def of_population(population: Population, person: Person) -> Holdings:
    """What the sources were built with."""
    found: list[tuple[Held, Json]] = []
    if patient := person.sources.get("ehr"):
        found += _about("ehr", "", patient, population.ehr["Observation"])
    if (patient := person.sources.get("gp")) and person.practice:
        found += _about("gp", person.practice, patient, population.gp[person.practice]["Observation"])
    vendor: set[Held] = set()
    if patient := person.sources.get("wearable"):
        account = population.wearable[patient.removeprefix("Patient/")]
        vendor = set(_vendor(account.measuregrps, account.activities, account.sleep))
    return _parted(found, vendor)


class Sources:
    """The sandbox's sources, asked over HTTP as any client of theirs would."""

    def __init__(self, sandbox: Sandbox, population: Population) -> None:
        self._client = sandbox.client
        self._ehr = str(sandbox.summary["upstreams"]["ehr"])
        self._wearable = sandbox.origin("wearable")
        self._practices = sandbox.summary["locations"]["gp"]
        self._accounts = {one.nhs_number: one for one in population.wearable.values()}
        self._categories = sorted(_categories(population))

    def of_number(self, nhs_number: str) -> Holdings:
        """What they hold for an NHS number."""
        found: list[tuple[Held, Json]] = []
        for patient in self._patients(self._ehr, {}, nhs_number):
            query = {"patient": patient, "_count": "100"}
            rows = self._walk(f"{self._ehr}/Observation", query, {})
            found += [(("ehr", "", row["id"]), row) for row in rows]
        for practice in self._practices:
            base, headers, place = practice["base_url"], practice["headers"], practice["organization"]
            for patient in self._patients(base, headers, nhs_number):
                for category in self._categories:
                    query = {"patient": patient, "category": category}
                    rows = self._walk(f"{base}/Observation", query, headers)
                    found += [(("gp", place, row["id"]), row) for row in rows]
        return _parted(found, self._of_account(nhs_number))

    def _patients(self, base: str, headers: dict[str, str], nhs_number: str) -> list[str]:
        query = {"identifier": f"{NHS_NUMBER_SYSTEM}|{nhs_number}"}
        return [row["id"] for row in self._walk(f"{base}/Patient", query, headers)]

    def _walk(self, url: str, query: dict[str, str], headers: dict[str, str]) -> Iterator[Json]:
        page = self._bundle(self._client.get(url, params=query, headers=headers))
        base = url.rpartition("/")[0] + "/"
        while True:
            yield from (entry["resource"] for entry in page.get("entry", ()))
            links = {link["relation"]: link["url"] for link in page.get("link", ())}
            if "next" not in links:
                return
            page = self._bundle(self._client.get(urljoin(base, links["next"]), headers=headers))

    @staticmethod
    def _bundle(answer: httpx.Response) -> Json:
        bundle: Json = answer.raise_for_status().json()
        return bundle

    def _of_account(self, nhs_number: str) -> set[Held]:
        account = self._accounts.get(nhs_number)
        if account is None:
            return set()
        days = {"startdateymd": BEGINNING, "enddateymd": END}
        groups = self._vendor_rows(account, "/measure", "getmeas", "measuregrps", {})
        activities = self._vendor_rows(account, "/v2/measure", "getactivity", "activities", days)
        nights = self._vendor_rows(account, "/v2/sleep", "getsummary", "series", days)
        return set(_vendor(groups, activities, nights))

    def _vendor_rows(
        self, account: Account, path: str, action: str, rows: str, params: dict[str, str]
    ) -> list[Json]:
        found: list[Json] = []
        form, more = {"action": action, **params}, True
        headers = {"Authorization": f"Bearer {account.token}"}
        while more:
            answer = self._client.post(self._wearable + path, data=form, headers=headers).json()
            assert answer["status"] == 0, answer
            found += answer["body"][rows]
            more = bool(answer["body"]["more"])
            form["offset"] = str(answer["body"]["offset"])
        return found


def _about(source: str, place: str, patient: str, observations: Iterable[Json]) -> list[tuple[Held, Json]]:
    """Those whose subject is this patient of the source: by a relative, absolute or versioned reference."""
    return [
        ((source, place, one["id"]), one)
        for one in observations
        if patient in _relative(one["subject"]["reference"])
    ]


def _relative(reference: str) -> tuple[str]:
    parts = reference.partition("/_history/")[0].split("/")
    return ("/".join(parts[-2:]),)


def _vendor(groups: Iterable[Json], activities: Iterable[Json], nights: Iterable[Json]) -> Iterator[Held]:
    for group in groups:
        if group["category"] == 2:
            continue  # goals are wishes
        types = {measure["type"] for measure in group["measures"]}
        names = [{one} for one in types & SINGLE_MEASURES] + [types & PRESSURES]
        for named in filter(None, names):
            yield "wearable", "", " ".join(sorted(f"{group['grpid']}:{one}" for one in named))
    for day in activities:
        yield "wearable", "", f"{day['date']}:steps"
    for night in nights:
        yield "wearable", "", f"{night['id']}:sleep"


def _parted(found: Iterable[tuple[Held, Json]], vendor: set[Held]) -> Holdings:
    rows = list(found)
    shown = {held for held, row in rows if row["status"] != ERROR}
    return Holdings(
        frozenset(shown | vendor), frozenset(held for held, row in rows if row["status"] == ERROR)
    )


def _categories(population: Population) -> set[str]:
    return {
        coding["code"]
        for held in population.gp.values()
        for observation in held["Observation"]
        for category in observation["category"]
        for coding in category["coding"]
    }
