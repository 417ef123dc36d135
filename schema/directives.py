"""`@requiresScopes`: what a field or type needs, for whoever reads the schema."""

from collections.abc import Mapping

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
            if rule is not None and (scopes := _scopes(rule)):
                field.directives.append(RequiresScopes(scopes=scopes))
                field.description = _described(field.description, scopes)


def _scopes(rule: Rule) -> list[list[str]]:
    return [list(one) for one in rule.required()]


def _type_directive(name: str) -> RequiresScopes:
    return RequiresScopes(scopes=[one.told() for one in type_needs("rs", name)])


def _described(description: str | None, scopes: list[list[str]]) -> str:
    told = (description or "").partition(_NEEDS)[0].rstrip()
    return f"{told} {_NEEDS}{', or '.join(' with '.join(one) for one in scopes)}.".lstrip()


_NEEDS = "Needs "
