"""`@requiresScopes`: what a field or type needs, for whoever reads the schema."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import strawberry
from strawberry.schema_directive import Location
from strawberry.types.base import StrawberryObjectDefinition

from permissions.needs import type_needs
from permissions.rules import Rule, Rules


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="requiresScopes",
    description=(
        "What an access token must permit: any of the lists, each as a whole. A field needs this and what it "
        "stands on; `r` reads by id or reference, `s` lists (SMART App Launch 2.2; docs/permissions.md)."
    ),
)
class RequiresScopes:
    """The directive's one argument."""

    scopes: list[list[str]]


def annotate(
    types: Mapping[str, StrawberryObjectDefinition], rules: Rules, resources: frozenset[str]
) -> None:
    """Puts the directive on every field and type that needs something, and the same into descriptions."""
    for name, made in types.items():
        made.directives = [_type_directive(name)] if name in resources else []
        for field in made.fields:
            rule = rules.of(f"{name}.{field.python_name}")
            field.directives = [one for one in field.directives if not isinstance(one, RequiresScopes)]
            needs = tuple(_sentences(rule)) if rule is not None else ()
            field.description = _described(field.description, needs)
            if rule is not None and (scopes := _scopes(rule)):
                field.directives.append(RequiresScopes(scopes=scopes))


def _scopes(rule: Rule) -> list[list[str]]:
    return [list(one) for one in rule.required()]


def _type_directive(name: str) -> RequiresScopes:
    return RequiresScopes(scopes=[one.told() for one in type_needs("rs", name)])


def _sentences(rule: Rule) -> Iterator[str]:
    """What a rule needs, for those who see descriptions only; purposes of use stand in no directive."""
    if scopes := _scopes(rule):
        yield f"{_NEEDS}{', or '.join(' with '.join(one) for one in scopes)}."
    if rule.purposes:
        yield f"{_PURPOSES}{' or '.join(sorted(rule.purposes))} only."


def _described(description: str | None, needs: Sequence[str]) -> str | None:
    """A description with the sentences behind it, in the place of those of another policy."""
    told = (description or "").partition(_NEEDS)[0].partition(_PURPOSES)[0].rstrip()
    if told and needs and told[-1] not in ".!?":
        told += "."
    return " ".join(one for one in (told, *needs) if one) or None


_NEEDS: Final = "Needs "
_PURPOSES: Final = "For the purposes of use "
