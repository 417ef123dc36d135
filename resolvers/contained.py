"""Resources inside another one (`contained`, `Bundle.entry.resource`), as far as the caller may see them."""

from collections.abc import Sequence

from resolvers.admission import contained_node
from resolvers.context import RequestContext
from resolvers.resource import Node


def held(context: RequestContext, node: Node, path: Sequence[str | int]) -> Node | None:
    """The resource at a place of the answer; null, and told once for each selection, where the scopes do not
    permit to read its type."""
    resource = node.resource
    if not context.permissions.reaches("r", resource.type):
        context.deny(tuple(path), resource.type)
        return None
    return contained_node(context, resource)
