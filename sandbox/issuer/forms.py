"""Form parameters as OAuth wants them read: an empty one is as good as none, a repeated one is an error."""

from collections.abc import Container
from urllib.parse import parse_qsl

from starlette.requests import Request

from sandbox.issuer.refusals import RequestRefused

FIELDS_MAX = 500


async def read_pairs(request: Request) -> list[tuple[str, str]]:
    """The parameters of a request: of the query for a GET, else of the form in its body."""
    text = request.url.query if request.method == "GET" else (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qsl(text, max_num_fields=FIELDS_MAX)
    except ValueError as problem:
        raise RequestRefused("invalid_request", "Too many parameters.") from problem


def repeated(pairs: list[tuple[str, str]], may_repeat: Container[str] = ()) -> str | None:
    """A parameter that comes twice and must not (RFC 6749 section 3.1)."""
    seen = set()
    for name, _ in pairs:
        if name in seen and name not in may_repeat:
            return name
        seen.add(name)
    return None


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a token request. Raises RequestRefused where one is repeated."""
    pairs = await read_pairs(request)
    if (name := repeated(pairs)) is not None:
        raise RequestRefused("invalid_request", f"{name} comes twice.")
    return dict(pairs)
