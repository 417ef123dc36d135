"""What a source is told of the caller's granular scopes."""

from msgspec.structs import replace

from clinical.compartment import patient_parameter
from resolvers.question import Question
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.upstream import Abilities, Filter, Upstream


def narrowed(upstream: Upstream, question: Question, abilities: Abilities) -> tuple[tuple[Filter, ...], ...]:
    """What the source is told of the caller's scopes, one search for each; every row is looked at again.

    Raises SearchNotSupported where the source would have to be asked for everybody's rows.
    """
    told: list[tuple[Filter, ...]] = []
    for narrowing in question.narrowings:
        sent = tuple(_known(one, abilities) for one in narrowing)
        pairs = zip(sent, narrowing, strict=True)
        if any(one is None and wanted.code == _patient_code(question) for one, wanted in pairs):
            raise SearchNotSupported(upstream.name, f"the source cannot search {question.type} by patient")
        told.append(tuple(one for one in sent if one is not None))
    return tuple(dict.fromkeys(told)) or ((),)


def _known(one: Filter, abilities: Abilities) -> Filter | None:
    """A filter under a name that the source has, None where it has none."""
    names = (one.code, "subject") if one.code == "patient" else (one.code,)
    code = next((name for name in names if name in abilities.parameters), None)
    return None if code is None else replace(one, code=code)


def _patient_code(question: Question) -> str | None:
    return "_id" if question.type == "Patient" else patient_parameter(question.type)
