"""The small schema as one: what another project than FHIR would build with the same words."""

from functools import cache

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from schema.making import make_type
from schema.scalars import SCALARS as RECORDED
from tests.conformance.graphql import arguments, boxes, counting, kennels, pets
from tests.conformance.graphql.internal import SCALARS
from tests.conformance.graphql.making import add


@cache
def small_schema() -> GraphQLSchema:
    """The schema; its `_schema` as graphql-core knows it."""
    query = make_type("Query")
    for room in (arguments, counting, kennels):
        add(query, *room.FIELDS)
    add(query, *pets.pets_for_query(), *boxes.shapes())
    config = StrawberryConfig(scalar_map=SCALARS | RECORDED, auto_camel_case=False)
    types = [*pets.TYPES, *kennels.TYPES]
    return strawberry.Schema(query=query, mutation=counting.Mutation, types=types, config=config)._schema
