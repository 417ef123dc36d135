"""`python -m sandbox.gp`: two general practices under one origin, each a limited FHIR server of its own."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.command import command
from sandbox.control import Control
from sandbox.fhir.profile import Profile
from sandbox.fhir.server import FhirServer
from sandbox.fhir.store import Store
from sandbox.fhir.tables import gp_parameters
from sandbox.population.build import build
from sandbox.population.model import Population, Practice
from sandbox.serving import HOST, serve

KEY_HEADER = "X-Practice-Key"
NEEDS = {"Observation": (("patient",), ("category", "code"))}
NOT_FOUND = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}'


def practice_profile(practice: Practice) -> Profile:
    """What a practice's server can do."""
    return Profile(
        name=practice.name,
        types=gp_parameters(),
        page_max=50,
        ids_max=20,
        sorts=frozenset((("Observation", "-date"),)),
        needs=NEEDS,
        next_link=practice.next_link,
        has_batch=False,
        has_post_search=False,
        is_plain=True,
        header=(KEY_HEADER, practice.key),
    )


class Practices:
    """The practices' servers as one ASGI application, each under its ODS code."""

    def __init__(self, servers: dict[str, ASGIApp]) -> None:
        self._servers = servers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = self._servers.get(scope["path"].split("/", 2)[1])
        if server is not None:
            await server(scope, receive, send)
            return
        headers = [(b"content-type", b"application/fhir+json"), (b"content-length", b"%d" % len(NOT_FOUND))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": NOT_FOUND})


def gp_app(population: Population, origin: str) -> Control:
    """Both practices of a population, at this origin."""
    servers: dict[str, ASGIApp] = {}
    for practice in population.practices:
        held = population.gp[practice.organization]
        store = Store(_every(held), f"{origin}{practice.path}")
        servers[practice.organization] = FhirServer(store, practice_profile(practice))
    return Control(Practices(servers))


def _every(held: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [resource for resources in held.values() for resource in resources]


def main() -> None:
    """Builds the population and serves both practices until it is told to stop."""
    args = command("sandbox.gp", __doc__).parse_args()
    serve(gp_app(build(args.patients, args.seed), f"http://{HOST}:{args.port}"), args.port)


if __name__ == "__main__":
    main()
