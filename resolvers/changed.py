"""Since when records have changed: asked of a source, or else looked at here (`changedSince`)."""

from resolvers.question import CHANGED, Question
from resolvers.resource import Resource
from resolvers.stream import Keep
from resolvers.upstreams.upstream import Abilities, Filter


def changed_filters(
    question: Question, abilities: Abilities
) -> tuple[tuple[Filter, ...], tuple[Filter, ...]]:
    """(what the source filters, what the gateway filters)."""
    if question.changed_since is None:
        return (), ()
    changed = (Filter(CHANGED, (f"ge{question.changed_since}",)),)
    return (changed, ()) if CHANGED in abilities.parameters else ((), changed)


def says_when_changed(resource: Resource) -> bool:
    """Whether a record tells when its source changed it last."""
    meta = resource.json.get("meta")
    return isinstance(meta, dict) and isinstance(meta.get("lastUpdated"), str)


def or_unsaid(test: Keep) -> Keep:
    """The test, of records that tell when they changed: the source knows it of the others."""
    return lambda resource: not says_when_changed(resource) or test(resource)
