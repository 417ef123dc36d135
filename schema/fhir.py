"""FHIR models -> Strawberry types: verbatim element names, cardinality, choice elements.

Nothing is written by hand per type; `schema.fhir_model` reads the definition, this file
gives it a GraphQL shape. Types are made on first use, so that recursive types meet.
"""

from collections.abc import Callable, Iterable

from pydantic import BaseModel
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from schema.extensions import extension_field
from schema.fhir_model import Element, elements, model_of
from schema.field import ElementField, Primitive, element_field
from schema.making import definition, make_type, optional_list
from schema.scalars import URI, Base64Binary, DecimalNumber, FHIRDate, FHIRDateTime, FHIRTime, Instant

OwnFields = Callable[[str], Iterable[StrawberryField]]
"""Our fields for a FHIR type, by its name."""

Chosen = Callable[[str, ElementField], ElementField]
"""An element of a type, with an argument where it takes one."""

_TEXT, _INTEGER = (str, Primitive.TEXT), (int, Primitive.INTEGER)
_URI = (URI, Primitive.TEXT)

PRIMITIVES: dict[str, tuple[object, Primitive]] = {
    "base64Binary": (Base64Binary, Primitive.TEXT),
    "boolean": (bool, Primitive.BOOLEAN),
    "canonical": _URI,
    "code": _TEXT,
    "date": (FHIRDate, Primitive.TEXT),
    "dateTime": (FHIRDateTime, Primitive.TEXT),
    "decimal": (DecimalNumber, Primitive.DECIMAL),
    "id": _TEXT,
    "instant": (Instant, Primitive.TEXT),
    "integer": _INTEGER,
    "markdown": _TEXT,
    "oid": _URI,
    "positiveInt": _INTEGER,
    "string": _TEXT,
    "time": (FHIRTime, Primitive.TEXT),
    "unsignedInt": _INTEGER,
    "uri": _URI,
    "url": _URI,
    "uuid": _URI,
    "xhtml": _TEXT,
}


_IDS = frozenset({"id"})
_REPLACED = {"Attachment": frozenset({"url"})}
"""Elements in whose place a field of ours stands, under the same name."""


class FieldNameTaken(ValueError):
    """A field of ours would hide a FHIR element."""


class FHIRTypes:
    """The GraphQL types of FHIR's types, each made once.

    `resources` are the served resource types; `interface` is the GraphQL interface that they
    implement; `own_fields` gives our fields for a type, `chosen` an element its argument.
    """

    def __init__(
        self, resources: tuple[str, ...], interface: type, own_fields: OwnFields, chosen: Chosen
    ) -> None:
        self._resources = frozenset(resources)
        self._interface = interface
        self._own_fields = own_fields
        self._chosen = chosen
        self._made: dict[str, type] = {}
        self._unfinished: list[tuple[str, type[BaseModel]]] = []

    def resource(self, name: str) -> type:
        """The type of a served resource; its fields are there after `finish`."""
        return self._of(model_of(name))

    def common_fields(self) -> list[StrawberryField]:
        """The elements that every resource has (R4 resource.html), for the interface."""
        return [self._field(one) for one in elements(model_of("Resource")) if one.name != "id"]

    def finish(self) -> None:
        """Gives every type its fields. A loop, not recursion: FHIR's types refer to each other deeply."""
        while self._unfinished:
            name, model = self._unfinished.pop()
            definition(self._made[name]).fields.extend(self._fields(name, model))

    def _of(self, model: type[BaseModel]) -> type:
        model = _definition_of(model)
        name = model.__name__
        if name not in self._made:
            is_resource = name in self._resources
            made = make_type(name, _summary(model), interfaces=[self._interface] if is_resource else [])
            self._made[name] = made
            self._unfinished.append((name, model))
        return self._made[name]

    def _fields(self, name: str, model: type[BaseModel]) -> list[StrawberryField]:
        own = list(self._own_fields(name))
        own_names = {field.python_name for field in own}
        taken = {one.name for one in elements(model)} & (own_names - _REPLACED.get(name, _IDS))
        if taken:
            raise FieldNameTaken(f"{name}: our field would hide the FHIR element {', '.join(sorted(taken))}")
        return own + [self._field(one, name) for one in elements(model) if one.name not in own_names]

    def _field(self, element: Element, of: str = "Resource") -> StrawberryField:
        if element.name in ("extension", "modifierExtension"):
            return extension_field(element.name, self._of(element.model), element.description)  # type: ignore[arg-type]
        return self._chosen(of, self._element_field(element))

    def _element_field(self, element: Element) -> ElementField:
        resources, primitive = None, None
        if element.primitive is not None:
            inner, primitive = PRIMITIVES[element.primitive]
        elif element.model is not None and element.model.__name__ == "Resource":
            inner, resources = self._interface, self._resources
        else:
            assert element.model is not None
            inner = self._of(element.model)
        return element_field(
            element.name,
            optional_list(inner) if element.is_list else StrawberryOptional(inner),  # type: ignore[arg-type]
            description=element.description,
            is_list=element.is_list,
            primitive=primitive,
            resources=resources,
        )


def _definition_of(model: type[BaseModel]) -> type[BaseModel]:
    """The model that defines the type: a primitive's extension is a plain FHIR Element."""
    return model_of("Element") if model.__name__ == "FHIRPrimitiveExtension" else model


def _summary(model: type[BaseModel]) -> str:
    """The model's own description, without the package's disclaimer about field names."""
    text = (model.__doc__ or "").partition("for FHIR Primitive Data Types.")[2] or model.__doc__ or ""
    return " ".join(text.split())
