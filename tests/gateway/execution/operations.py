"""Random valid operations over a schema: depth, aliases, fragments, directives, variables, arguments."""

from random import Random

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

DATES = ('"2019"', '"2019-05"', '"2020-01-01T10:00:00Z"')
VALUES = {
    "[String!]": (
        '["final"]',
        '"29463-7"',
        '["http://loinc.org|29463-7", "x"]',
        "[]",
        '["entered-in-error"]',
    ),
    "DateRange": (*(f"{{{op}: {date}}}" for op in ("ge", "lt", "eq") for date in DATES), '{ge: "bad"}'),
    "StringFilter": ('{startsWith: "s"}', '{contains: "m"}', '{exact: "Smith"}'),
    "QuantityFilter": ("{gt: 5.10}", '{le: 7, code: "kg"}'),
    "[ID!]": ('["a/Encounter/1"]', '"b/Patient/1"', '["nowhere/x/1"]'),
    "Requirement": ("COMPLETE",),
    "Duplicates": ("SHOW", "COLLAPSE"),
    "Instant": ('"2020-01-01T00:00:00Z"', '"2020"'),
    "Int": ("0", "1", "2", "5", "100", "101", "-1"),
    "[String!]!": ('["29463-7"]', '"29463-7"', "[]"),
    "ObservationBucketSize": ("DAY", "WEEK", "MONTH"),
    "URI": ('"http://loinc.org"', '"x"', "$s", "null"),
    "[URI!]": ('["http://loinc.org"]', '"x"', "[]", "$p", "[$d]"),
}
VARIABLES = {
    "$t": "$t: Boolean = true",
    "$f": "$f: Boolean = false",
    "$n": "$n: Int",
    "$s": "$s: URI",
    "$p": "$p: [URI!]",
    "$d": '$d: URI = "http://loinc.org"',
}
IDS = (
    "a/Patient/1",
    "a/Patient/2",
    "b/Patient/9",
    "a/Observation/o1",
    "b/Observation/o2",
    "a/Observation/none",
    "x",
    "c/Patient/1",
)


DIRECTIVES = (
    *("", "", "", ""),
    "@skip(if: false)",
    "@include(if: $t)",
    "@skip(if: $f)",
    "@include(if: false)",
)


class Seeded:
    """Where an operation's randomness comes from: a seed alone, which is twenty times faster than hypothesis
    that draws each choice."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self.number, self.one = random.randint, random.choice


class Operations:
    """Draws one operation's text."""

    def __init__(
        self, choose: Seeded, schema: GraphQLSchema, interesting: dict[str, tuple[str, ...]]
    ) -> None:
        self._choose = choose
        self._schema = schema
        self._interesting = interesting
        self._fragments: list[str] = []
        self._budget = 24

    def text(self) -> str:
        assert self._schema.query_type is not None
        body = self._selections(self._schema.query_type, 0)
        whole = f"{body}\n" + "\n".join(self._fragments)
        used = [declared for name, declared in VARIABLES.items() if name in whole]
        return f"query{'(' + ', '.join(used) + ')' if used else ''} {whole}"

    def _selections(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        count = self._choose.number(1, 4)
        parts = [self._selection(kind, depth) for _ in range(count)]
        return "{ " + " ".join(parts) + " }"

    def _selection(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        self._budget -= 1
        form = self._choose.number(0, 11)
        if form == 0 or self._budget < 0:
            return "__typename"
        if form == 1:
            return f"... {self._directive()} {self._selections(kind, depth)}"
        if form == 2 and kind.name != "Query":
            name = f"F{len(self._fragments)}"
            self._fragments.append("")
            index = len(self._fragments) - 1
            self._fragments[index] = f"fragment {name} on {kind.name} {self._selections(kind, depth)}"
            return f"...{name} {self._directive()}"
        if form in (3, 4) and isinstance(kind, GraphQLInterfaceType):
            types = sorted(one.name for one in self._schema.get_possible_types(kind))
            chosen = self._choose.one(types)
            inner = self._schema.type_map[chosen]
            assert isinstance(inner, GraphQLObjectType)
            return f"... on {chosen} {self._selections(inner, depth)}"
        return self._field(kind, depth)

    def _field(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        names = [
            name
            for name, field in kind.fields.items()
            if depth < 9 or is_leaf_type(get_named_type(field.type))
        ]
        # FHIR's types meet themselves through `extension`: without this, most of an operation is that.
        names = [name for name in names if name not in ("extension", "modifierExtension") or depth < 4]
        liked = [name for name in self._interesting.get(kind.name, ()) if name in names]
        pool = liked if liked and self._choose.number(0, 3) else names
        if not pool:
            return "__typename"
        name = self._choose.one(sorted(pool))
        field = kind.fields[name]
        inner = get_named_type(field.type)
        below = "" if is_leaf_type(inner) else " " + self._selections(inner, depth + 1)  # type: ignore[arg-type]
        arguments = self._arguments(field)
        # An alias tells fields apart that differ in arguments; one with none may meet itself and merge.
        alias = f"a{self._choose.number(0, 99999)}: " if arguments else ""
        if not arguments and self._choose.number(0, 9) == 0:
            alias = f"b_{name}: "
        return f"{alias}{name}{arguments} {self._directive()}{below}"

    def _arguments(self, field: GraphQLField) -> str:
        given = []
        for name, argument in field.args.items():
            required = is_required_argument(argument)
            if not required and self._choose.number(0, 7 if name != "first" else 1):
                continue
            value = self._value(name, str(argument.type))
            if value is not None:
                given.append(f"{name}: {value}")
        return f"({', '.join(given[:3])})" if given else ""

    def _value(self, name: str, kind: str) -> str | None:
        if kind.startswith("ID"):
            return f'"{self._choose.one(IDS)}"'
        if kind == "[ID!]!":
            return (
                "[" + ", ".join(f'"{self._choose.one(IDS)}"' for _ in range(self._choose.number(0, 3))) + "]"
            )
        if name == "sort":
            return self._choose.one(['"-date"', '"date"', '"_id"', '"nonsense"'])
        if name == "first" and self._choose.number(0, 4) == 0:
            return "$n"
        if name in ("after", "before"):
            return None
        if name == "use":
            return self._choose.one(['"official"', '"usual"', "null"])
        if name == "timeZone":
            return self._choose.one(['"Europe/London"', '"nowhere"'])
        if name == "unit":
            return self._choose.one(['"kg"', '"g"', '"mmol/L"', '"no unit"'])
        if name in ("identifier", "url"):
            return '"9990000018"'
        choices = VALUES.get(kind)
        return self._choose.one(choices) if choices else None

    def _directive(self) -> str:
        return self._choose.one(DIRECTIVES)
