"""Random internal values: mostly what a type is made of, sometimes null, an error, or something else."""

from random import Random
from typing import Any

from graphql import GraphQLList, GraphQLNonNull, GraphQLOutputType, get_named_type

ODD = (5, 2**40, "x", True, [1], {"a": 1}, {"number": "nan"}, "", -1, 1.5)
GOOD: dict[str, tuple[Any, ...]] = {
    "Int": (0, 1, 2, 3.0),
    "Float": (0, 1.5),
    "String": ("s", 5),
    "Boolean": (True, False),
    "ID": ("4", 4),
    "DogCommand": ("sit", {"member": "HEEL"}),
    "Moment": (0, 7),
}
KINDS = {
    "Pet": ("Dog", "Cat"),
    "CatOrDog": ("Dog", "Cat"),
    "HumanOrAlien": ("Human", "Alien"),
    "Human": ("Human",),
}
MEMBERS = {
    "name": "String",
    "nickname": "String",
    "barkVolume": "Int",
    "meowVolume": "Int",
    "homePlanet": "String",
    "owner": "Human",
    "rival": "CatOrDog",
    "enemy": "HumanOrAlien",
}
ODD_KINDS = ({"raise": "who?"}, None, 5, "Nobody", "Pet", "Box")
TEXTS = ("name", "code", "command", "street", "country")


class Answers:
    """Draws what resolvers answer with."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def of(self, kind: GraphQLOutputType) -> Any:
        """An answer for a field, or for an item of a list."""
        inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        if (unusual := self._unusual()) is not None:
            return unusual[0]
        if isinstance(inner, GraphQLList):
            return [self.of(inner.of_type) for _ in range(self._chance.randint(0, 3))]
        return self._named(get_named_type(inner).name, 0)

    def kennel(self) -> Any:
        """A kennel as JSON: elements as they should be, and others."""
        return self._kennel(0)

    def _pick(self, choices: Any) -> Any:
        return self._chance.choice(choices)

    def _unusual(self) -> tuple[Any] | None:
        match self._chance.randint(0, 15):
            case 0 | 1:
                return (None,)
            case 2:
                return ({"raise": self._pick(("one", "two"))},)
            case 3:
                return (self._pick(ODD),)
        return None

    def _is_there(self) -> bool:
        return self._chance.randint(0, 1) == 0

    def _named(self, name: str, depth: int) -> Any:
        if name in GOOD:
            return self._pick(GOOD[name])
        return self._box(depth) if name == "Box" else self._animal(name, depth)

    def _box(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"label": self._member("String", depth)}
        if depth < 2:
            for name in ("inner", "nonNullInner", "innerLater", "nonNullInnerLater"):
                if self._is_there():
                    made[name] = self._member("Box", depth)
        return made

    def _animal(self, name: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"kind": self._pick((*KINDS[name] * 6, self._pick(ODD_KINDS)))}
        for member, kind in MEMBERS.items():
            if member == "name" or (self._is_there() and (kind in GOOD or depth < 2)):
                made[member] = self._member(kind, depth)
        if depth < 2:
            made["friends"] = [self._member("CatOrDog", depth) for _ in range(self._chance.randint(0, 2))]
            made["pets"] = [self._member("Pet", depth) for _ in range(self._chance.randint(0, 2))]
        return made

    def _member(self, kind: str, depth: int) -> Any:
        if (unusual := self._unusual()) is not None:
            return unusual[0]
        return self._named(kind, depth + 1)

    def _kennel(self, depth: int) -> dict[str, Any]:
        usual = dict.fromkeys(TEXTS, "sit") | {"isOpen": True, "places": 3, "rate": 5, "number": 7}
        made = {name: self._element(value) for name, value in usual.items() if self._is_there()}
        made["kind"] = self._pick(("Address", "Field", "Address", "Field", "Kennel", None))
        for name in ("tags", "labels", "owners"):
            made[name] = self._element([self._element("t")])
        if depth < 2:
            for name in ("address", "site", "place", "addressOrField"):
                made[name] = self._element(self._kennel(2))
            for name in ("annexes", "wings"):
                made[name] = self._element([self._element(self._kennel(depth + 1))])
        return made

    def _element(self, usual: Any) -> Any:
        match self._chance.randint(0, 11):
            case 0:
                return None
            case 1:
                return self._pick((5, "x", True, [], {}))
        return usual
