"""GraphiQL for people with a browser: a page and scripts of our own origin, nothing from elsewhere."""

from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

FOLDER: Final = Path(__file__).with_name("static") / "graphiql"
PATH: Final = "/graphiql"

# GraphiQL's editor sets styles by script; scripts come from this origin alone, and none stand in the page.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def page() -> Response:
    """The page itself."""
    return FileResponse(
        FOLDER / "index.html",
        media_type="text/html",
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
            "Vary": "Accept",
        },
    )


def assets() -> Mount:
    """The route of the page's scripts and styles."""
    return Mount(PATH, StaticFiles(directory=FOLDER))
