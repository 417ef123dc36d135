"""Persons of whom one record was found with nothing odd about it: a whole lookup seen at one look.

Nearly every lookup is such a one. What is not is left to `Linker`, which looks at each identifier by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.cache import Cache
from resolvers.known_persons import KnownPersons
from resolvers.link_memory import LINK, LINK_TTL_S, links_to_remember
from resolvers.linked import Found, Linked, Plain
from resolvers.linking import Linking, Links
from resolvers.loaders import Loaders
from resolvers.outcome import OK, SourceOutcome
from resolvers.person import Sealing
from resolvers.persons import Answer, Person, found_outcome, unlinked
from resolvers.resource import Resource
from resolvers.restriction import OPEN, OPENNESS, is_restricted, open_to_remember
from resolvers.upstreams.upstream import Upstream

_CODE: Final = attrgetter("code")


def plainly_linked(
    wanted: Mapping[Token, Resource | None],
    answers: Sequence[Sequence[Answer]],
    sources: Iterable[str],
    links: Links,
    sealing: Sealing,
) -> Linked | None:
    """What became of the identifiers where every source answered, and each identifier is that of one record
    which states no other, and of which all else is plain as well; None where that is not so.

    `answers`: each source's, for each identifier.
    """
    if len(wanted) == 1 and len(answers) == 1:
        return one_plainly_linked(wanted, answers[0][0], links, sealing)
    if len(answers) == 1:
        each = answers[0]
    else:
        each = [said for of_one in zip(*answers, strict=True) for said in of_one]
    try:
        records = [record for said in each for record in said]  # type: ignore[union-attr]
    except TypeError:  # an error stands in the place of an answer
        return None
    if len(records) != len(wanted) or _are_odd(records):
        return None
    tokens, asked = list(wanted), list(wanted.values())
    again: Sequence[Resource] = ()
    if None not in asked and _places(records) == _places(asked):  # type: ignore[arg-type]
        again = asked  # type: ignore[assignment]
    elif [0 for one, token in zip(records, tokens, strict=True) if not links.states_only(one, token)]:
        return None
    ids = sealing.ids_of(tokens)
    first = records[0]
    outcomes = {**unlinked(sources), first.source: found_outcome(first)}
    persons = [Person(id_, (one,), outcomes, is_plain=True) for id_, one in zip(ids, records, strict=True)]
    for one, id_ in zip(records, ids, strict=True):
        one.person_id = id_
    for one, id_ in zip(again, ids, strict=False):
        one.person_id = id_
    remember = links_to_remember(records, ids) | open_to_remember(ids)
    found: dict[Token, Found] = dict(zip(tokens, persons, strict=True))
    plain = Plain(ids, records, again)
    return Linked(found, remember=remember, persons=persons, plain=plain)


def one_plainly_linked(
    wanted: Mapping[Token, Resource | None],
    said: Answer,
    links: Links,
    sealing: Sealing,
) -> Linked | None:
    """The same of a single identifier, asked of the only source."""
    ((token, asked),) = wanted.items()
    id_ = sealing.id_of(token)
    remember: dict[str, bytes] = {}
    person = plain_person(token, id_, said, links.linking, remember)
    if person is None:
        return None
    again: Sequence[Resource] = ()
    if asked is not None and asked.is_same(person.records[0]):
        asked.person_id = id_
        again = (asked,)
    plain = Plain((id_,), person.records, again)
    return Linked({token: person}, remember=remember, persons=[person], plain=plain)


def plain_person(
    token: Token, id_: str, said: Answer, linking: Linking, remember: dict[str, bytes]
) -> Person | None:
    """The person with an identifier, which links, of whom the only source has one record with nothing odd
    about it, which states that identifier and no other; None where that is not so.

    `said`: what the source answered. What the record states is told as `Links.states_only` tells it.
    `remember` is given what goes to the cache.
    """
    only = None
    systems = linking.systems
    try:
        (record,) = said  # type: ignore[misc]
        json, source = record.json, record.source
        is_labelled = "security" in json.get("meta", ())
        if "link" in json or json.get("active") is False or record.cached:
            return None
        if source not in linking.trusted_sources or (is_labelled and is_restricted(record)):
            return None
        for one in json["identifier"]:
            if one.get("system") in systems:
                if only is not None:
                    return None
                only = one
        if only is None or only["value"] != token.code or only["system"] != token.system:
            return None
        if "period" in only or only.get("use") == "old":
            return None
    except (AttributeError, KeyError, TypeError, ValueError):  # not one record, or not as FHIR has it
        return None
    record.person_id = id_
    remember[f"{LINK}{source}/{record.id}"] = id_.encode()
    remember[OPENNESS + id_] = OPEN
    outcome = SourceOutcome(source, OK, None, record.retrieved_at)
    return Person(id_, (record,), {source: outcome}, is_plain=True, is_unlabelled=not is_labelled)


async def plainly_found(
    stated: Mapping[Token, Resource],
    upstream: Upstream,
    linking: Linking,
    loaders: Loaders,
    principal: Principal,
    cache: Cache,
    known: KnownPersons,
) -> dict[Token, Found] | None:
    """The persons of records of a trusted source that state one identifier each, all of one system, where
    their only source gives each again, alone and with nothing odd about it; None where that is not so."""
    answers: Sequence[Answer] = await loaders.identify_all(upstream, stated, principal)
    at, records, is_unlabelled = None, [], True
    try:
        for stating, said in zip(stated.values(), answers, strict=True):
            (record,) = said  # type: ignore[misc]
            json, at = record.json, at or record.retrieved_at
            if "security" in json.get("meta", ()):
                is_unlabelled = False
                if is_restricted(record):
                    return None
            if (
                "link" in json
                or json.get("active") is False
                or json["identifier"] != stating.json["identifier"]
                or record.id != stating.id
                or record.location is not stating.location
                or record.retrieved_at is not at
                or record.cached
            ):
                return None
            records.append(record)
    except (AttributeError, KeyError, TypeError, ValueError):  # not one record, or not as FHIR has it
        return None
    source = upstream.name
    outcomes = {source: SourceOutcome(source, OK, None, at)}
    found: dict[Token, Found] = {}
    by_id, of_record, remember = known.by_id, known.persons, dict[str, bytes]()
    ids = linking.key.seal_all(linking.systems[0], [*map(_CODE, stated)])
    for (token, stating), record, id_ in zip(stated.items(), records, ids, strict=True):
        person = Person(id_, (record,), outcomes, is_plain=True, is_unlabelled=is_unlabelled)
        stating.person_id = record.person_id = id_
        remember[f"{LINK}{source}/{record.id}"] = id_.encode()
        remember[OPENNESS + id_] = OPEN
        found[token] = by_id[id_] = of_record[stating] = of_record[record] = person
    loaders.prime(*records)
    await cache.set_all(remember, LINK_TTL_S)
    return found


def _are_odd(records: Sequence[Resource]) -> bool:
    """Whether one of some records leads to others, is not in use, withholds something, or did not come as the
    first has come."""
    if not records:
        return True
    source, at = records[0].source, records[0].retrieved_at
    try:
        looked_into = [
            one
            for one in records
            if "link" in (json := one.json)
            or json.get("active") is False
            or "security" in json.get("meta", ())
            or one.cached
            or one.retrieved_at is not at
            or one.source != source
        ]
    except TypeError:  # what is no `meta`
        return True
    return bool(looked_into) and any(
        "link" in one.json
        or one.json.get("active") is False
        or is_restricted(one)
        or one.cached
        or one.retrieved_at is not at
        or one.source != source
        for one in looked_into
    )


def _places(records: Sequence[Resource]) -> list[tuple[object, ...]]:
    """What each record is known by, and its identifiers: those asked about, where the same come back, have
    been found to state one identifier each."""
    return [(one.id, one.source, one.location, one.json.get("identifier")) for one in records]
