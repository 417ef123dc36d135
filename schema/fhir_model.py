"""What the FHIR models say: each type's elements, read off `fhir.resources.R4B`.

R4B's models hold R4 data without loss (docs/decisions/0003); its default (R5) models do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from fhir.resources.R4B import get_fhir_model_class
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clinical.parameters import resource_types

_NOT_SERVED = frozenset({"Parameters", "TestScript"})
"""Parameters is no record; TestScript has an element `origin`, which our field of that name would hide."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a FHIR type.

    `primitive` is the FHIR primitive's name (`dateTime`), else `model` is the complex type's model.
    """

    name: str
    is_list: bool
    description: str
    primitive: str | None
    model: type[BaseModel] | None


class ResourceTypeUnknown(ValueError):
    """A configured resource type is not one of R4."""


def model_of(type_name: str) -> type[BaseModel]:
    """The model of a FHIR type. Raises ResourceTypeUnknown."""
    try:
        return get_fhir_model_class(type_name)
    except (ValueError, KeyError):
        raise ResourceTypeUnknown(f"'{type_name}' is not a FHIR R4 type") from None


@lru_cache
def all_resource_types() -> tuple[str, ...]:
    """Every R4 resource type that a server stores and searches, in order of name."""
    names = sorted(set(resource_types()) - _NOT_SERVED)
    return tuple(name for name in names if _has_model(name))


def elements(model: type[BaseModel]) -> Iterator[Element]:
    """The elements of a FHIR type in the order of its definition, primitive extensions included."""
    for field in model.model_fields.values():
        if (field.json_schema_extra or {}) == {"element_property": False}:
            continue
        yield _element(field)


def _element(field: FieldInfo) -> Element:
    is_list, inner = _unwrap(field.annotation)
    model = inner.get_model_klass() if hasattr(inner, "get_model_klass") else None
    primitive = None if model is not None else _primitive(inner)
    return Element(field.alias or "", is_list, _description(field), primitive, model)


def _unwrap(annotation: Any, is_list: bool = False) -> tuple[bool, Any]:
    """Strips `None` and `List`: (whether a list, what is left)."""
    if get_origin(annotation) is list:
        return _unwrap(get_args(annotation)[0], True)
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is Annotated or not arguments:
        return is_list, annotation
    if get_origin(annotation) is Union or len(arguments) == 1:
        return _unwrap(arguments[0], is_list)
    return is_list, annotation


_SHORT_NAMES = {"uuidVersion": "uuid"}


def _primitive(annotation: Any) -> str:
    """The FHIR primitive's name: the last marker of the annotation is `fhir_core`'s class for it."""
    if annotation in (bool, str):
        return "boolean" if annotation is bool else "string"
    name = type(get_args(annotation)[-1]).__name__
    name = name[0].lower() + name[1:]
    return _SHORT_NAMES.get(name, name)


def _description(field: FieldInfo) -> str:
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    text = (field.description or field.title or "").strip()
    targets = [str(one) for one in extra.get("enum_reference_types", ())]
    if targets:
        text += f" Refers to: {', '.join('any resource' if one == 'Resource' else one for one in targets)}."
    return text


def _has_model(name: str) -> bool:
    try:
        model_of(name)
    except ResourceTypeUnknown:
        return False
    return True
