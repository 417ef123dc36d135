"""FHIR searches as the text of an address (R4 search.html 3.1.1)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote

from clinical.identifiers import Token
from clinical.references import is_resource_id
from clinical.syntax import escape
from resolvers.upstreams.upstream import Search

_SAFE = "/:,"


def search_query(search: Search, page_size_max: int) -> str:
    """The query of a search, percent-encoded; the values are in search syntax already."""
    id_, rest = search.patient, query_rest(search, page_size_max)
    return rest if id_ is None else f"{about_text(search)}{id_text(id_)}&{rest}"


def about_text(search: Search) -> str:
    """What stands before the id in a search's condition about its patient."""
    return f"{search.patient_parameter or 'patient'}=Patient/"


def id_text(id_: str) -> str:
    """A patient's id, percent-encoded."""
    return id_ if is_resource_id(id_) else quote(id_, safe=_SAFE)


def query_rest(search: Search, page_size_max: int) -> str:
    """The conditions of a search that are not about its patient, and its paging."""
    parts = [
        _condition(f.code if f.modifier is None else f"{f.code}:{f.modifier}", f.values)
        for f in search.filters
    ]
    parts.append(_paging(search.sort, max(1, min(search.count, page_size_max))))
    return "&".join(parts)


@lru_cache(maxsize=1024)
def _paging(sort: tuple[str, ...], count: int) -> str:
    return f"{_condition('_sort', sort)}&_count={count}" if sort else f"_count={count}"


def count_query(search: Search) -> str:
    """The query that asks only for how many there are."""
    bare = Search(
        search.type, search.location, search.filters, search.patient, search.patient_parameter, count=1
    )
    query = search_query(bare, 1)
    return query.removesuffix("_count=1") + "_summary=count"


def id_query(ids: Sequence[str]) -> str:
    """The query for several resources of a type by their ids."""
    return f"{_condition('_id', [escape(one) for one in ids])}&_count={len(ids)}"


def identifier_query(values: Sequence[str], page_size: int) -> str:
    """The query for the records that carry one of some identifiers, each as `token_text` gives it."""
    return f"identifier={','.join(values)}&_count={page_size}"


def lone_identifier_query(token: Token, page_size: int) -> str:
    """The query for the records that carry one identifier."""
    system, code = token.system, token.code
    if not system or not code or not code.isascii() or not code.isalnum():
        return identifier_query((token_text(token),), page_size)
    return f"identifier={_system_text(system)}{code}&_count={page_size}"


def token_text(token: Token) -> str:
    """A token in search syntax, percent-encoded."""
    code = token.code or ""
    if not (code.isascii() and code.isalnum()):
        code = quote(escape(code), safe=_SAFE)
    return code if token.system is None else f"{_system_text(token.system)}{code}"


def token_texts(tokens: Sequence[Token]) -> list[str]:
    """Many of them: nearly always codes of letters and digits."""
    texts: list[str] = []
    last, text = None, ""
    for one in tokens:
        system, code = one.system, one.code or ""
        if system is not last:
            last, text = system, "" if system is None else _system_text(system)
        texts.append(text + code if code.isalnum() and code.isascii() else token_text(one))
    return texts


@lru_cache(maxsize=256)
def _system_text(system: str) -> str:
    return quote(f"{escape(system)}|", safe=_SAFE)


def chunks(values: Collection[str], count_max: int, length_max: int) -> Iterable[Sequence[str]]:
    """The values, percent-encoded already, in groups of at most `count_max`, each shorter than `length_max`
    if it can be."""
    if 0 < len(values) <= count_max and sum(map(len, values)) + len(values) <= length_max:
        return (list(values),)
    return _several_chunks(values, count_max, length_max)


def _several_chunks(values: Iterable[str], count_max: int, length_max: int) -> Iterator[list[str]]:
    group: list[str] = []
    length = 0
    for value in values:
        more = len(value) + 1
        if group and (len(group) == count_max or length + more > length_max):
            yield group
            group, length = [], 0
        group.append(value)
        length += more
    if group:
        yield group


def _condition(name: str, values: Sequence[str]) -> str:
    return f"{quote(name, safe=':')}={quote(','.join(values), safe=_SAFE)}"
