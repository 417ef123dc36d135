"""The pets of the GraphQL specification (chapter 5): interfaces, a union, an enum, over plain dicts.

An object is a dict with its `kind`; fields without arguments are computed, those that lead to another
owner or pet are fetched.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.union import StrawberryUnion

from resolvers.field import Batched, FieldCall
from schema.field import computed_field, derived_field, fetch_field
from schema.making import list_of, make_type, optional, optional_list
from tests.conformance.graphql.internal import DogCommandType, internal, member
from tests.conformance.graphql.making import Union, add, given

HUMAN = {"kind": "Human", "name": "Alice"}
REX = {"kind": "Dog", "name": "Rex", "nickname": "R", "barkVolume": 11, "knows": ["SIT"], "owner": HUMAN}
TOM: dict[str, Any] = {"kind": "Cat", "name": "Tom", "nickname": None, "meowVolume": 3, "knows": []}
JOHN = {"kind": "Human", "name": "John", "pets": [REX, TOM]}


def kind_of(value: Any, info: Any, abstract: Any) -> Any:
    """The name of the type that a value has; raises where it has none."""
    return member(value, "kind")


def plain(name: str, annotation: object) -> Any:
    """A field that reads the object's member of its name."""
    return computed_field(name, annotation, lambda parent: member(parent, name), description="")


def fetched(name: str, annotation: object) -> Any:
    """The same, a turn of the event loop later."""

    async def fetch(call: FieldCall) -> Any:
        await asyncio.sleep(0)
        return member(call.parent, name)

    return fetch_field(name, annotation, fetch, description="")


def fetched_together(name: str, annotation: object) -> Any:
    """The same for all places at once; an error is in its place."""

    async def fetch(calls: Sequence[FieldCall]) -> list[Any]:
        await asyncio.sleep(0)
        return [internal(call.parent.get(name)) for call in calls]

    return fetch_field(name, annotation, Batched(fetch), description="")


def knows(parent: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    known: bool = arguments["dogCommand"].name in (member(parent, "knows") or ())
    return known


def is_house_trained(parent: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    return None if "atOtherHomes" not in arguments else not arguments["atOtherHomes"]


Named = make_type("Named", is_interface=True, resolve_type=kind_of)
Pet = make_type("Pet", is_interface=True, interfaces=[Named], resolve_type=kind_of)
Sentient = make_type("Sentient", is_interface=True, interfaces=[Named], resolve_type=kind_of)
Dog = make_type("Dog", interfaces=[Named, Pet])
Cat = make_type("Cat", interfaces=[Named, Pet])
Human = make_type("Human", interfaces=[Named, Sentient])
Alien = make_type("Alien", interfaces=[Named, Sentient])
CatOrDog = Union("CatOrDog", (Cat, Dog), kind_of)
HumanOrAlien = Union("HumanOrAlien", (Human, Alien), kind_of)
Stranger = StrawberryUnion("Stranger", (StrawberryAnnotation(Human), StrawberryAnnotation(Alien)))
"""A union as Strawberry has it: the type of a value is that of which it is an instance."""
TYPES = (Dog, Cat, Human, Alien)

for one in (Named, Sentient, Pet, *TYPES):
    add(one, plain("name", str))
for one in (Pet, Dog, Cat):
    add(one, plain("nickname", optional(str)), fetched("owner", optional(Human)))
add(
    Dog,
    plain("barkVolume", optional(int)),
    derived_field(
        "doesKnowCommand", bool, knows, description="", arguments=(given("dogCommand", DogCommandType),)
    ),
    derived_field(
        "isHouseTrained",
        bool,
        is_house_trained,
        description="",
        arguments=(given("atOtherHomes", optional(bool)),),
    ),
    fetched("rival", optional(CatOrDog)),
    fetched_together("friends", optional(list_of(CatOrDog))),
)
add(Cat, plain("meowVolume", optional(int)))
add(Human, fetched_together("pets", optional(list_of(Pet))), fetched("enemy", optional(HumanOrAlien)))
add(Alien, plain("homePlanet", optional(str)))


def instance(made: type, **members: Any) -> Any:
    """An object that is an instance of its type, and read like the others."""
    one = made()
    one.get = members.get
    return one


STRANGERS = [instance(Human, name="Alice"), instance(Alien, name="Zog", homePlanet="Mars"), instance(Dog)]


def pets_for_query() -> tuple[Any, ...]:
    """`dog` and `human` of the specification's query type, which always are the same."""

    async def dog(call: FieldCall) -> Any:
        await asyncio.sleep(0)
        return REX

    return (
        fetch_field("dog", optional(Dog), dog, description=""),
        computed_field("cat", optional(Cat), lambda parent: TOM, description=""),
        fetch_field("human", Human, lambda call: JOHN, description=""),
        computed_field("strangers", optional_list(Stranger), lambda parent: STRANGERS, description=""),
    )
