"""Persons of whom one record was found with nothing odd about it: a whole lookup seen at one look.

Nearly every lookup is such a one. What is not is left to `Linker`, which looks at each identifier by itself.
"""

from collections.abc import Iterable, Mapping, Sequence

from clinical.identifiers import Token
from resolvers.link_memory import LINK, links_to_remember
from resolvers.linked import Found, Linked, Plain
from resolvers.linking import Links
from resolvers.person import Sealing
from resolvers.persons import Answer, Person, found_outcome, unlinked
from resolvers.resource import Resource
from resolvers.restriction import OPEN, OPENNESS, is_restricted, open_to_remember


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
    records = _found(answers)
    if records is None or len(records) != len(wanted) or _are_odd(records):
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
    if type(said) is not tuple or len(said) != 1:
        return None
    ((token, asked),) = wanted.items()
    record: Resource = said[0]
    json, source = record.json, record.source
    if "link" in json or json.get("active") is False or record.cached:
        return None
    meta = json.get("meta")
    if type(meta) is dict and "security" in meta and is_restricted(record):
        return None
    if not links.states_only(record, token):
        return None
    id_ = record.person_id = sealing.known.get(token) or sealing.id_of(token)
    again: Sequence[Resource] = ()
    if asked is not None and asked.is_same(record):
        asked.person_id = id_
        again = (asked,)
    person = Person(id_, said, {source: found_outcome(record)}, is_plain=True)
    remember = {f"{LINK}{source}/{record.id}": id_.encode(), OPENNESS + id_: OPEN}
    plain = Plain((id_,), said, again)
    return Linked({token: person}, remember=remember, persons=[person], plain=plain)


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
    return any(
        "link" in one.json
        or one.json.get("active") is False
        or is_restricted(one)
        or one.cached
        or one.retrieved_at is not at
        or one.source != source
        for one in looked_into
    )


def _found(answers: Sequence[Sequence[Answer]]) -> list[Resource] | None:
    """All records, in the order of the identifiers; None where a source did not answer."""
    is_only = len(answers) == 1
    each = answers[0] if is_only else [said for of_one in zip(*answers, strict=True) for said in of_one]
    try:
        return [record for said in each for record in said]  # type: ignore[union-attr]
    except TypeError:  # an error stands in the place of an answer
        return None


def _places(records: Sequence[Resource]) -> list[tuple[object, ...]]:
    """What each record is known by, and its identifiers: those asked about, where the same come back, have
    been found to state one identifier each."""
    return [(one.id, one.source, one.location, one.json.get("identifier")) for one in records]
