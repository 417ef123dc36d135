"""`extension(url:)`: the extensions of an element, all or those of one definition."""

from collections.abc import Mapping
from typing import Any

from resolvers.resource import Node
from resolvers.upstreams.errors import UpstreamInvalidResponse
from schema.field import DerivedField, argument, derived_field
from schema.making import optional, optional_list


def extension_field(name: str, extension: type, description: str) -> DerivedField:
    """`extension` or `modifierExtension` with its `url` argument."""

    def derive(node: Node, arguments: Mapping[str, Any]) -> list[Any] | None:
        return _extensions(node, name, arguments.get("url"))

    url = argument("url", optional(str), "Only extensions of this definition.")
    return derived_field(name, optional_list(extension), derive, description=description, arguments=(url,))


def _extensions(node: Node, name: str, url: str | None) -> list[Any] | None:
    value = node.element.get(name)
    if value is None:
        return None
    if type(value) is not list:
        raise _misshapen(node, name)
    entries = [one for one in value if url is None or (type(one) is dict and one.get("url") == url)]
    return [_entry(one, node, name) for one in entries]


def _entry(value: Any, node: Node, name: str) -> Any:
    if value is None or type(value) is dict:
        return None if value is None else Node(value, node.resource)
    return _misshapen(node, name)


def _misshapen(node: Node, name: str) -> UpstreamInvalidResponse:
    return UpstreamInvalidResponse(node.resource.source, f"{name}: not the shape that FHIR gives it")
