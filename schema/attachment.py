"""Where attachments lie in the types of the schema."""

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type

from resolvers.attachments import RESOURCE, ElementTypes, url
from schema.field import DerivedField, ElementField, FetchField, fetch_field
from schema.making import optional
from schema.scalars import URI

_DEFINITION = "strawberry-definition"


def attachment_url() -> FetchField:
    """`Attachment.url`, which takes the place of FHIR's element."""
    return fetch_field(
        "url",
        optional(URI),
        url,
        description=(
            "Where the data can be fetched: an address at this gateway, asked with the same access token. "
            "Null with an error where the source names an address that the gateway does not fetch from."
        ),
    )


def element_types(schema: GraphQLSchema) -> ElementTypes:
    """The elements of each type that are objects or whole resources."""
    objects = (one for one in schema.type_map.values() if isinstance(one, GraphQLObjectType))
    return {one.name: elements for one in objects if (elements := _elements(one))}


def _elements(made: GraphQLObjectType) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in made.fields.items():
        definition = field.extensions.get(_DEFINITION)
        if isinstance(definition, ElementField) and definition.resources is not None:
            found[name] = RESOURCE
        elif isinstance(definition, ElementField | DerivedField):
            inner = get_named_type(field.type)
            if isinstance(inner, GraphQLObjectType):
                found[name] = inner.name
    return found
