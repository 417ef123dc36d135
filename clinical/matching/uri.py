"""URIs and canonicals: compared exactly, as case and final slash count (R4 search 3.1.1.4.13)."""

from clinical.matching.question import Question, Test
from clinical.syntax import SearchValueInvalid, unescape


def compile_uri(question: Question) -> Test:
    """A test whether a recorded URI is (or lies `below`, or `above`) a value. Raises SearchValueInvalid.

    A canonical with a version also answers a search for the URI without one.
    """
    wanted = tuple(unescape(value) for value in question.values)
    if not all(wanted):
        raise SearchValueInvalid("an empty URI")
    match question.modifier:
        case "below":
            return lambda found: any(_is_below(found.value, uri) for uri in wanted)
        case "above":
            return lambda found: any(_is_below(uri, found.value) for uri in wanted)
    exact = frozenset(wanted)
    return lambda found: (
        isinstance(found.value, str) and (found.value in exact or found.value.partition("|")[0] in exact)
    )


def _is_below(uri: object, root: object) -> bool:
    if not isinstance(uri, str) or not isinstance(root, str) or not root:
        return False
    return uri == root or uri.startswith(root if root.endswith("/") else root + "/")
