"""Objects that are read off JSON as recorded: element fields outside of FHIR."""

from datetime import UTC, datetime
from typing import Any

from strawberry import ID

from resolvers.field import FieldCall
from resolvers.resource import Location, Node, Resource
from schema.field import Primitive, computed_field, element_field, fetch_field
from schema.making import list_of, make_type, optional, optional_list
from schema.scalars import DecimalNumber
from tests.conformance.graphql.internal import DogCommandType, Internal
from tests.conformance.graphql.making import Union, add, given


def element(
    name: str, annotation: object, primitive: Primitive | None = None, *, is_list: bool = False
) -> Any:
    return element_field(name, annotation, description="", is_list=is_list, primitive=primitive)


def kind_of(value: Node, info: Any, abstract: Any) -> Any:
    return value.element.get("kind")


async def echo(call: FieldCall) -> Any:
    return f"{call.parent.element.get('name')} of {call.parent.resource.source}"


TEXT, INTEGER = Primitive.TEXT, Primitive.INTEGER
Place = make_type("Place", is_interface=True, resolve_type=kind_of)
Address = make_type("Address", interfaces=[Place])
Field = make_type("Field", interfaces=[Place])
Kennel = make_type("Kennel")
AddressOrField = Union("AddressOrField", (Address, Field), kind_of)

for one in (Place, Address, Field):
    add(one, element("country", optional(str), TEXT))
add(Address, element("street", str, TEXT))
add(Field, element("acres", optional(DecimalNumber), Primitive.DECIMAL))
add(
    Kennel,
    element("name", optional(str), TEXT),
    element("isOpen", optional(bool), Primitive.BOOLEAN),
    element("places", optional(int), INTEGER),
    element("rate", optional(DecimalNumber), Primitive.DECIMAL),
    element("code", str, TEXT),
    element("tags", optional_list(str), TEXT, is_list=True),
    element("labels", optional(list_of(str)), TEXT, is_list=True),
    element("owners", list_of(str), TEXT, is_list=True),
    element("number", optional(ID), INTEGER),
    element("command", optional(DogCommandType), TEXT),
    element("address", optional(Address)),
    element("site", Address),
    element("place", optional(Place)),
    element("addressOrField", optional(AddressOrField)),
    element("annexes", optional_list(Kennel), is_list=True),
    element("wings", optional(list_of(Kennel)), is_list=True),
    computed_field("size", optional(int), lambda node: len(node.element), description=""),
    fetch_field("sign", optional(str), echo, description=""),
)


async def kennel(call: FieldCall) -> Node:
    json = call.arguments["json"]
    here = Location("https://kennels.example")
    return Node(json, Resource("kennels", here, "Kennel", "1", json, datetime(2020, 1, 1, tzinfo=UTC)))


TYPES = (Address, Field)
FIELDS = (
    fetch_field(
        "kennel", optional(Kennel), kennel, description="", arguments=(given("json", optional(Internal)),)
    ),
)
