"""Random valid operations over the small schema; what its resolvers answer is drawn with them.

A field that has arguments gets an alias made of them: where the same field meets itself with the same
arguments it merges, and never with others.
"""

import json
import re
import zlib
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

from tests.conformance.graphql.answers import Answers

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType

VARIABLES = {
    "$yes": "$yes: Boolean! = true",
    "$no": "$no: Boolean! = false",
    "$maybe": "$maybe: Boolean = true",
    "$n": "$n: Int",
    "$few": "$few: Int = 2",
    "$dog": "$dog: FindDogInput",
}
GIVEN: tuple[dict[str, Any], ...] = (
    {},
    {"yes": False, "few": 0},
    {"no": True, "n": 4, "dog": {"name": "R", "inner": {"tags": "one"}}},
    {"n": None, "few": None, "dog": None},
    {"maybe": None},
)
"""What a client sends along. Null for a condition is an error, and null for a non-null argument."""

DIRECTIVES = (
    "@skip(if: false)",
    "@include(if: $yes)",
    "@skip(if: $no)",
    "@include(if: $maybe)",
    "@include(if: false)",
    "@skip(if: $yes) @include(if: $no)",
)
LITERALS = {
    "Int": ("0", "7", "null", "$n", "$few"),
    "Int!": ("5", "$n"),
    "Float": ("1", "1.5", "null"),
    "String": ('"x"', "null"),
    "Boolean": ("true", "$yes", "$maybe", "null"),
    "Boolean!": ("false", "$yes"),
    "ID": ('"4"', "4"),
    "Moment": ('"3s"',),
    "DogCommand": ("SIT", "null"),
    "DogCommand!": ("HEEL", "DOWN"),
    "[Int]": ("1", "[1, null, $n]", "[]", "null"),
    "[Int!]": ("[1, $few]", "2"),
    "[[Int]]": ("[[1], [$n]]", "3"),
    "FindDogInput": ('{name: "R", limit: $few}', "{owner: null, inner: {}}", "$dog", "null"),
    "[FindDogInput]": ("[{}, $dog]", '{tags: ["a"]}'),
    "NeedyInput": ("{b: 1}",),
}
DEEPEST = 5


class Operations:
    """Draws one operation's text, and with it what is answered."""

    def __init__(self, chance: Random, schema: GraphQLSchema) -> None:
        self._chance = chance
        self._schema = schema
        self._answers = Answers(chance)
        self._fragments: list[str] = []
        self._budget = 20

    def text(self) -> str:
        assert self._schema.query_type is not None
        whole = f"{self._selections(self._schema.query_type, 0)}\n" + "\n".join(self._fragments)
        used = [declared for name, declared in VARIABLES.items() if re.search(rf"\{name}\b", whole)]
        return f"query{'(' + ', '.join(used) + ')' if used else ''} {whole}"

    def _pick(self, choices: Any) -> Any:
        return self._chance.choice(choices)

    def _selections(self, kind: Composite, depth: int) -> str:
        count = self._chance.randint(1, 4)
        return "{ " + " ".join(self._selection(kind, depth) for _ in range(count)) + " }"

    def _selection(self, kind: Composite, depth: int) -> str:
        self._budget -= 1
        form = self._chance.randint(0, 11)
        if form == 0 or self._budget < 0:
            return f"{self._pick(('', 'kind: '))}__typename"
        if form == 1:
            return f"... {self._directive()} {self._selections(kind, depth)}"
        if form == 2:
            return self._spread(kind, depth)
        if form in (3, 4) or isinstance(kind, GraphQLUnionType):
            inner = self._meeting(kind)
            return f"... on {inner.name} {self._directive()} {self._selections(inner, depth)}"
        return self._field(kind, depth)

    def _spread(self, kind: Composite, depth: int) -> str:
        """A fragment, spread twice at times."""
        index = len(self._fragments)
        self._fragments.append("")
        inner = self._meeting(kind)
        self._fragments[index] = f"fragment F{index} on {inner.name} {self._selections(inner, depth)}"
        again = f" ...F{index} {self._directive()}" if self._chance.randint(0, 1) else ""
        return f"...F{index} {self._directive()}{again}"

    def _meeting(self, kind: Composite) -> Composite:
        """A type whose objects may be objects of this one."""
        own = set(self._schema.get_possible_types(kind)) if is_abstract_type(kind) else {kind}
        meeting = [kind]
        for one in self._schema.type_map.values():
            possible = set(self._schema.get_possible_types(one)) if is_abstract_type(one) else {one}
            if one is not kind and own & possible:
                meeting.append(one)  # type: ignore[arg-type]
        return self._pick(sorted(meeting, key=str))  # type: ignore[no-any-return]

    def _field(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        names = [
            name
            for name, field in kind.fields.items()
            if name != "meet" and (depth < DEEPEST or is_leaf_type(get_named_type(field.type)))
        ]
        name = self._pick(sorted(names))
        field = kind.fields[name]
        inner = get_named_type(field.type)
        below = "" if is_leaf_type(inner) else self._selections(inner, depth + 1)
        arguments = self._arguments(field)
        alias = f"{name}_{zlib.crc32(arguments.encode()):x}: " if arguments else ""
        return f"{alias}{name}{arguments} {self._directive()} {below}"

    def _arguments(self, field: GraphQLField) -> str:
        given = {
            name: self._argument(name, argument, field)
            for name, argument in field.args.items()
            if str(argument.type).endswith("!") or self._chance.randint(0, 3 if name != "value" else 9)
        }
        drawn = [f"{name}: {value}" for name, value in given.items()]
        return f"({', '.join(drawn)})" if drawn else ""

    def _argument(self, name: str, argument: GraphQLArgument, field: GraphQLField) -> str:
        if str(argument.type) == "Internal":
            value = self._answers.kennel() if name == "json" else self._answers.of(field.type)
            return literal(value)
        if name == "ticks":
            return self._pick(("0", "1", "3", "null"))  # type: ignore[no-any-return]
        kind = str(argument.type)
        choices = LITERALS[kind]
        if is_required_argument(argument):
            choices = tuple(one for one in choices if one != "$n")
        return self._pick(choices)  # type: ignore[no-any-return]

    def _directive(self) -> str:
        return self._pick(DIRECTIVES) if self._chance.randint(0, 5) == 5 else ""


def literal(value: Any) -> str:
    """JSON as a GraphQL literal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)
