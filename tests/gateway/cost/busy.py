"""Random operations that find much: lists in lists, references followed to what has lists again, several
types, conditions, merged fields, aliases; and sources in which they do find it."""

import re
from random import Random
from typing import Any, Final

from tests.resolvers.asking import observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER: Final = "9990000018"
DECLARED: Final = {
    "$t": "Boolean! = true",
    "$f": "Boolean! = false",
    "$n": "Int = 3",
    "$ids": '[ID!]! = ["a/Patient/1"]',
}
VARIABLES: Final[list[dict[str, Any]]] = [
    {},
    {"t": False, "n": 1},
    {"f": True, "n": 100},
    {"n": None, "ids": ["a/Patient/1", "a/Observation/o0", "nowhere/Patient/1", "b/Patient/9"]},
    {"n": 0, "ids": "a/Patient/2"},
    {"n": 5.0, "ids": []},
]
_IDS: Final = ('"a/Patient/1"', '"b/Patient/9"', '"a/Patient/2"', '"a/Observation/o2"', '"x"')
_LISTS: Final = {"observations": "Observation", "conditions": "Condition", "encounters": "Encounter"}
_CODES: Final = 'code: ["29463-7"]'
_DEPTH: Final = 3


class Busy:
    """Draws one operation's text from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._left = 40
        self._fragments: list[str] = []

    def text(self) -> str:
        body = self._some([self._root() for _ in range(self._random.randint(1, 3))])
        spread = "\n".join(self._spread_in(body))
        names = [name for name in DECLARED if name in body + spread]
        declared = ", ".join(f"{name}: {DECLARED[name]}" for name in names)
        return f"query {f'({declared})' if names else ''} {body}\n{spread}"

    def _spread_in(self, text: str) -> list[str]:
        """The fragments that a text spreads, and those that these spread: no other may be in a document."""
        found: list[str] = []
        pending = [text]
        while pending:
            names = re.findall(r"\.\.\.(F[0-9]+)", pending.pop())
            new = [self._fragments[int(name[1:])] for name in names]
            pending += [one for one in new if one not in found]
            found += [one for one in dict.fromkeys(new) if one not in found]
        return found

    def _root(self) -> str:
        what = self._random.randint(0, 5)
        if what == 0:
            return f"{self._alias()}patients({self._first()}) {self._page('Patient', 0)}"
        if what == 1:
            return f"{self._alias()}nodes(ids: {self._ids()}) {self._any(0)}"
        if what == 2:
            return f"{self._alias()}node(id: {self._random.choice(_IDS)}) {self._any(0)}"
        if what == 3:
            name = self._random.choice(list(_LISTS))
            return f"{self._alias()}{name}({self._first()}) {self._page(_LISTS[name], 0)}"
        return f"{self._alias()}patient(id: {self._random.choice(_IDS[:3])}) {self._of('Patient', 0)}"

    def _page(self, kind: str, depth: int) -> str:
        parts = [
            f"{self._named('nodes')} {self._when()} {self._of(kind, depth)}",
            f"edges {self._when()} {{ cursor node {self._of(kind, depth)} }}",
            "pageInfo { hasNextPage }",
            "sources { source status }",
            "totalCount",
            "completeness",
        ]
        return self._some(self._random.sample(parts, self._random.randint(1, 3)))

    def _of(self, kind: str, depth: int) -> str:
        self._left -= 1
        if depth >= _DEPTH or self._left < 0:
            return "{ id }"
        made = [getattr(self, f"_{kind.lower()}")(depth) for _ in range(self._random.randint(1, 3))]
        if self._random.randint(0, 4) == 0:
            name = f"F{len(self._fragments)}"
            self._fragments.append(f"fragment {name} on {kind} {self._some(made)}")
            return f"{{ ...{name} {self._when()} }}"
        return self._some(made)

    def _patient(self, depth: int) -> str:
        what = self._random.randint(0, 15)
        if what == 0:
            inner = self._of("Observation", depth + 1)
            return f"{self._alias()}latestObservation({_CODES}) {{ observation {inner} completeness }}"
        if what == 1:
            return f"{self._alias()}observationStats({_CODES}) {{ groups {{ count }} sources {{ status }} }}"
        if what == 2:
            rows = f"a: problems({self._first()}) {{ text }} latestVitals {{ name }}"
            return f"{self._alias()}summary {{ {rows} sections {{ state sources {{ status }} }} }}"
        if what < 13:
            name = self._random.choice(list(_LISTS))
            return (
                f"{self._alias()}{name}({self._first()}) {self._when()} {self._page(_LISTS[name], depth + 1)}"
            )
        return self._random.choice(
            ["id", "name { family given }", "records { id origin { name } }", "completeness", "meta { id }"]
        )

    def _observation(self, depth: int) -> str:
        plain = [
            "id",
            "code { text coding { code } }",
            "valueQuantity { value }",
            "component { code { text } }",
        ]
        followed = ["subject", "performer", "hasMember", "encounter"]
        return self._row(plain, followed, depth)

    def _condition(self, depth: int) -> str:
        return self._row(["id", "code { coding { code } }", "note { text }"], ["subject"], depth)

    def _encounter(self, depth: int) -> str:
        return self._row(["id", "status", "period { start }"], ["subject"], depth)

    def _row(self, plain: list[str], followed: list[str], depth: int) -> str:
        what = self._random.randint(0, 9)
        if what < 7:
            name = self._named(self._random.choice(followed))
            return f"{name} {self._when()} {{ reference resource {self._any(depth + 1)} }}"
        if what == 7:
            return f"contained {self._any(depth + 1)}"
        return self._random.choice(plain)

    def _any(self, depth: int) -> str:
        parts = ["id"]
        kinds = self._random.sample(["Patient", "Observation", "Encounter"], self._random.randint(0, 3))
        parts += [f"... on {kind} {self._when()} {self._of(kind, depth)}" for kind in kinds]
        if self._random.randint(0, 2) == 0:
            parts.append("meta { versionId tag { code } }")
        return self._some(parts)

    def _first(self) -> str:
        given = self._random.choice(["1", "1", "1", "2", "2", "3", "100", "0", "$n", "-1"])
        return f"first: {given}"

    def _ids(self) -> str:
        several = ", ".join(self._random.choices(_IDS, k=self._random.randint(0, 4)))
        return self._random.choice(["$ids", f"[{several}]", self._random.choice(_IDS)])

    def _alias(self) -> str:
        return f"a{self._random.randint(0, 10**9)}: "

    def _named(self, name: str) -> str:
        return f"b{self._random.randint(0, 10**9)}: {name}" if self._random.randint(0, 5) == 0 else name

    def _when(self) -> str:
        chosen = self._random.randint(0, 24)
        words = ("@include(if: $t)", "@skip(if: $t)", "@skip(if: $f)", "@include(if: false)")
        return words[chosen] if chosen < len(words) else ""

    def _some(self, parts: list[str]) -> str:
        return "{ " + " ".join(parts) + " }"


def busy_sources() -> list[MemoryUpstream]:
    """Two sources that know one person, and one of them another; what they hold refers to them again."""
    return [
        MemoryUpstream(
            "a",
            {
                "Patient": [patient("1", NUMBER), patient("2", "9990000026")],
                "Observation": [*_rows("1", "2"), *_rows("2", "1")],
                "Condition": [_condition(index, "1") for index in range(3)],
                "Encounter": [_encounter("1", "1"), _encounter("2", "2")],
            },
            sorts=frozenset({"date", "recorded-date", "_id"}),
        ),
        MemoryUpstream(
            "b",
            {"Patient": [patient("9", NUMBER)], "Observation": _rows("9", "9"), "Condition": []},
            sorts=frozenset({"date"}),
        ),
    ]


def _rows(about: str, other: str) -> list[dict[str, Any]]:
    performers = [{"reference": f"Patient/{one}"} for one in (other, about)]
    members = [{"reference": f"Observation/{_id(about, index)}"} for index in range(2)]
    contained = [{**patient("p"), "id": "p"}, _encounter("e", about)]
    return [
        observation(
            _id(about, index),
            about,
            f"20{10 + index}-01-01T10:00:00Z",
            performer=performers,
            hasMember=members[: index % 3],
            encounter={"reference": f"Encounter/{about}"},
            contained=contained if index == 2 else [],
            component=[{"code": {"text": "a"}}, {"code": {"text": "b"}}],
        )
        for index in range(4)
    ]


def _id(about: str, index: int) -> str:
    return f"o{index}" if about == "1" else f"o{about}{index}"


def _encounter(id_: str, about: str) -> dict[str, Any]:
    subject = {"reference": f"Patient/{about}"}
    return {"resourceType": "Encounter", "id": id_, "status": "finished", "subject": subject}


def _condition(index: int, about: str) -> dict[str, Any]:
    subject, when = {"reference": f"Patient/{about}"}, f"201{index}-01-01"
    return {"resourceType": "Condition", "id": f"c{index}", "subject": subject, "recordedDate": when}
