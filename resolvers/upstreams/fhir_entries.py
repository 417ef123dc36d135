"""What a searchset Bundle holds (R4 search.html 3.1.1.6): matches, next link, and what is wrong with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from resolvers.resource import Json, Location
from resolvers.upstreams.addresses import resolved_link
from resolvers.upstreams.errors import SearchNotSupported, UpstreamInvalidResponse
from resolvers.upstreams.fhir_answers import Answer, issues, refusal

_SAID: Final = {
    "throttled": "is asked too often at the moment and left something out",
    "timeout": "did not find everything in time",
    "unavailable": "could not look everywhere",
    "incomplete": "says that there is more than it gave",
    "rejected": "withheld something",
    "not-supported": "ignored a part of the search",
    "page-expired": "lost its place in the search",
}


class Entries(msgspec.Struct):
    """The matches of one page in order, and `problems` (safe to show) that make it less than whole."""

    matches: list[Json] = []
    next: str | None = None
    total: int | None = None
    problems: list[str] = []


class Asked(msgspec.Struct, frozen=True):
    """What a page was asked for: type, place, the codes of the filters sent, and the page's own address."""

    source: str
    type: str
    location: Location
    is_only_place: bool
    codes: frozenset[str] = frozenset()
    page: str | None = None
    record: Any = dict
    """The type of what is read of each row, where rows are JSON."""


def read_entries(asked: Asked, answer: Answer) -> Entries:
    """The entries of a searchset. Raises the UpstreamError that any other answer means."""
    bundle = _searchset(asked, answer)
    entries = Entries(total=_total(bundle))
    _gather(asked, bundle.get("entry"), entries)
    links = {link["relation"]: link["url"] for link in _links(bundle)}
    if ignored := ignored_codes(asked, links.get("self")):
        raise ParameterIgnored(asked.source, ignored)
    if link := links.get("next") or links.get("Next"):
        take_next(asked, link, entries)
    elif asked.page is None and entries.total is not None and entries.total > _held(bundle):
        entries.problems.append(f"{asked.source} says that there is more than it gave.")
    return entries


class ParameterIgnored(SearchNotSupported):
    """The source answered as if some search parameters had not been there: `codes`."""

    def __init__(self, source: str, codes: frozenset[str]) -> None:
        super().__init__(source, f"{source} does not support this search.", detail=f"ignored {sorted(codes)}")
        self.codes = codes


def _searchset(asked: Asked, answer: Answer) -> Json:
    if not answer.is_success or answer.outcome is not None:
        raise refusal(asked.source, answer, is_page=asked.page is not None, is_search=True)
    bundle = answer.json
    if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle":
        return bundle
    raise UpstreamInvalidResponse(asked.source, f"{asked.source} gave an answer that is not a Bundle.")


def _gather(asked: Asked, listed: object, entries: Entries) -> None:
    """Takes the matches; whatever else is in the list goes another way."""
    if listed is None:
        return
    if not isinstance(listed, list):
        raise UpstreamInvalidResponse(
            asked.source, f"{asked.source} gave a Bundle without a list of entries."
        )
    seen: set[str] = set()
    dropped = _Dropped()
    kind, matches = asked.type, entries.matches
    for entry in listed:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == kind and _is_match(entry):
            own_id = resource.get("id")
            if isinstance(own_id, str) and own_id and own_id not in seen:
                seen.add(own_id)
                matches.append(resource)
                continue
            dropped.repeated += own_id in seen if isinstance(own_id, str) else 0
            dropped.unreadable += not isinstance(own_id, str) or not own_id
        else:
            _set_aside(asked, entry, resource, entries, dropped)
    entries.problems += dropped.problems(asked.source)


def _is_match(entry: Json) -> bool:
    search = entry.get("search")
    mode = search.get("mode") if isinstance(search, dict) else None
    return mode is None or mode == "match"


@dataclass(slots=True)
class _Dropped:
    unreadable: int = 0
    repeated: int = 0

    def problems(self, source: str) -> Iterator[str]:
        if self.unreadable:
            yield f"{source} gave {self.unreadable} entries that cannot be read."
        if self.repeated:
            yield f"{source} gave {self.repeated} entries twice."


def _set_aside(asked: Asked, entry: object, resource: object, entries: Entries, dropped: _Dropped) -> None:
    """Entries that are no matches: what the source has to say, included resources, and the unreadable."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    search = entry.get("search") if isinstance(entry, dict) else None
    mode = search.get("mode") if isinstance(search, dict) else None
    if mode == "outcome" or kind == "OperationOutcome":
        _hear(asked, resource, entries)
    elif mode != "include":
        dropped.unreadable += 1


def _hear(asked: Asked, outcome: object, entries: Entries) -> None:
    """An outcome is never a resource of the answer; a warning counts where it says that data is missing."""
    for severity, meaning in issues(outcome):
        is_severe = severity in ("fatal", "error")
        if severity == "information" or not (is_severe or meaning in _SAID):
            continue
        if meaning == "not-supported" and asked.codes:
            raise SearchNotSupported(asked.source, f"{asked.source} does not support this search.")
        said = f"{asked.source} {_SAID.get(meaning, 'reports an error in its answer')}."
        if said not in entries.problems:
            entries.problems.append(said)


def take_next(asked: Asked, link: str, entries: Entries) -> None:
    """Notes where the next page is, or why it is not followed."""
    address = next_address(asked, link)
    if address is None:
        entries.problems.append(f"{asked.source} gave a next link to another place, which is not followed.")
    elif address == asked.page:
        entries.problems.append(f"{asked.source} gave a next link that leads back to itself.")
    else:
        entries.next = address


def next_address(asked: Asked, link: str) -> str | None:
    """Where a next link leads; None where that is somewhere else than at the place that was asked."""
    address = resolved_link(link, asked.location, asked.is_only_place)
    if address is not None and "/_search" in address:
        # Some servers hand the address of a POST _search on, which no GET may be sent to.
        path, mark, query = address.partition("?")
        address = path.removesuffix("/_search") + mark + query
    return address


def ignored_codes(asked: Asked, link: str | None) -> frozenset[str]:
    """Filters that the source left out, where its self link, which tells what was used, names others."""
    if not link or names_all(link, asked.codes):
        return frozenset()
    try:
        used = {name.split(":", 1)[0] for name, _ in parse_qsl(urlsplit(link).query, keep_blank_values=True)}
    except ValueError:
        return frozenset()
    return asked.codes - used if used else frozenset()


def names_all(link: str, codes: Iterable[str]) -> bool:
    """Whether an address names every one of some parameters, without a modifier."""
    for code in codes:  # noqa: SIM110  a generator costs more than all of the rest
        if f"&{code}=" not in link and f"?{code}=" not in link:
            return False
    return True


def _links(bundle: Json) -> Iterator[dict[str, str]]:
    listed = bundle.get("link")
    for link in listed if isinstance(listed, list) else ():
        if (
            isinstance(link, dict)
            and isinstance(link.get("relation"), str)
            and isinstance(link.get("url"), str)
        ):
            yield link


def _total(bundle: Json) -> int | None:
    total = bundle.get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


def _held(bundle: Json) -> int:
    listed: Any = bundle.get("entry")
    return len(listed) if isinstance(listed, list) else 0
