"""Documents of about 200 fields that have little in common: other types, elements and depths in each."""

from random import Random
from typing import Any, Final

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type, is_leaf_type

FIELDS: Final = 200
_LEVELS: Final = 3
_APART: Final = frozenset({"resource", "meta", "origin", "contained", "extension", "modifierExtension"})


class NewDocument:
    """One document of a person's lists, from a seed."""

    def __init__(self, schema: GraphQLSchema, seed: int) -> None:
        self._random = Random(seed)
        self._person: Any = schema.type_map["Patient"]
        self._fields = 1

    def text(self) -> str:
        """The document."""
        lists = [name for name, one in self._person.fields.items() if _is_list(one)]
        made: list[str] = []
        while self._fields < FIELDS:
            name = self._random.choice(lists)
            connection: Any = get_named_type(self._person.fields[name].type)
            row = self._object(get_named_type(connection.fields["nodes"].type), 1)
            made.append(
                f"l{len(made)}: {name}(first: {len(made)}) {{ nodes {row} pageInfo {{ hasNextPage }} }}"
            )
            self._fields += 4
        return f'{{ patient(id: "a/Patient/1") {{ {" ".join(made)} }} }}'

    def _object(self, kind: Any, level: int) -> str:
        leaves = [name for name, one in kind.fields.items() if _is_plain(one) and is_leaf_type(_inner(one))]
        objects = [
            name
            for name, one in kind.fields.items()
            if name not in _APART and _is_plain(one) and isinstance(_inner(one), GraphQLObjectType)
        ]
        parts = self._some(leaves, 5)
        for name in self._some(objects, 3) if level < _LEVELS else ():
            parts.append(f"{name} {self._object(_inner(kind.fields[name]), level + 1)}")
        self._fields += len(parts)
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def _some(self, names: list[str], most: int) -> list[str]:
        wanted = [name for name in names if not name.startswith("_")]
        return self._random.sample(wanted, min(len(wanted), self._random.randint(1, most)))


def _inner(field: Any) -> Any:
    return get_named_type(field.type)


def _is_plain(field: Any) -> bool:
    return not field.args and not _inner(field).name.endswith("Connection")


def _is_list(field: Any) -> bool:
    return bool(_inner(field).name.endswith("Connection"))
