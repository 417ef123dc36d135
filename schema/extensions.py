"""`extension(url:)`: the extensions of an element, all or those of one definition."""

from typing import Any

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryList, StrawberryOptional

from resolvers.field import FieldCall
from resolvers.resource import Node
from resolvers.upstreams.errors import UpstreamInvalidResponse
from schema.field import FetchField, fetch_field


def extension_field(name: str, extension: type, description: str) -> FetchField:
    """`extension` or `modifierExtension` with its `url` argument."""

    def fetch(call: FieldCall) -> list[Any] | None:
        return _extensions(call.parent, name, call.arguments.get("url"))

    url = StrawberryArgument(
        python_name="url",
        graphql_name="url",
        type_annotation=StrawberryAnnotation(StrawberryOptional(str)),
        description="Only extensions of this definition.",
    )
    annotation = StrawberryOptional(StrawberryList(StrawberryOptional(extension)))
    return fetch_field(name, annotation, fetch, description=description, arguments=(url,))


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
