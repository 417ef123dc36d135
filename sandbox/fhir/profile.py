"""What one server is able and willing to do. Servers differ by these values, not by code of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

from clinical.parameters import SearchParameter, parameters


@dataclass(frozen=True, slots=True)
class Profile:
    """A server's abilities.

    `types`: resource types served, each with the codes of the search parameters it knows (None: all of R4).
    `sorts`: types and `_sort` texts honoured (None: any); others are ignored.
    `needs`: for a type, groups of parameters of which a search must have one each, unless it has `_id`.
    `next_link`: `sealed` (absolute, opaque, expiring), `relative` (an offset) or `absolute` (a cursor).
    `is_plain`: no `_include`, `_elements`, `_summary`, `_total`; what it does not know it ignores silently.
    """

    name: str
    types: Mapping[str, tuple[str, ...] | None]
    page_default: int = 20
    page_max: int = 500
    ids_max: int = 1_000
    sorts: frozenset[tuple[str, str]] | None = None
    needs: Mapping[str, tuple[tuple[str, ...], ...]] | None = None
    next_link: str = "sealed"
    has_batch: bool = True
    has_post_search: bool = True
    is_plain: bool = False
    header: tuple[str, str] | None = None

    def parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """The search parameters known for a type."""
        known = parameters(resource_type)
        codes = self.types.get(resource_type)
        return known if codes is None else {code: known[code] for code in codes}
