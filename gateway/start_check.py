"""What would stop a start, all of it at once: secrets, link table, resource types, sources, store.

`ask_outside` goes further and asks every issuer and source, as `config check --online` does.
"""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.audit.json_lines_file import check_file
from gateway.authn.authenticator import KeysUnavailable
from gateway.authn.bearer import Issuer
from gateway.authn.client_authentication import client_authentication
from gateway.authn.introspection import OpaqueIssuer
from gateway.authn.issuers import IssuerClient, issuer_client, open_issuers
from gateway.authn.jwks import usable_keys
from gateway.authn.metadata import MetadataUnavailable, fetch_json
from gateway.keys import read_keys
from gateway.persisted.trusted import read_trusted
from gateway.policy_file import read_policy
from gateway.prepare import Preparation
from gateway.secrets import Secrets
from gateway.settings import Settings
from gateway.store.store import open_store
from permissions.principal import Principal
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.links import LinkTable, read_links
from resolvers.upstreams.registry import open_upstreams
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Call, Upstream
from resolvers.upstreams.wiring import Wiring
from schema.build import build_schema, resource_types

KEYS: Final = {"identity_key": 64, "cursor_key": 32}
"""The gateway's own keys and their sizes in bytes."""

_NOBODYS: Final = "clinical-gateway-config-check"
"""What an issuer is asked about that has no such token."""
_CHECKER: Final = Principal(issuer="", client="clinical-gateway", subject="config check", scopes=())


@dataclass(frozen=True, slots=True)
class Finding:
    """What asking one issuer or source showed."""

    name: str
    is_good: bool
    told: str


def start_problems(settings: Settings, secrets: Secrets) -> tuple[str, ...]:
    """One sentence for each thing that would stop a start."""
    problems = (_problem(attempt) for attempt in _attempts(settings, secrets))
    return tuple(dict.fromkeys(problem for problem in problems if problem is not None))


def _attempts(settings: Settings, secrets: Secrets) -> Iterator[Callable[[], object]]:
    yield partial(_check_schema, settings)
    for name, size in KEYS.items():
        yield partial(secrets.key, name, size)
    yield partial(read_keys, secrets)
    yield lambda: open_store(settings.store, store_url(settings, secrets))
    if settings.audit.path is not None:
        yield partial(check_file, settings.audit.path)
    for issuer in settings.issuers:
        if issuer.kind == "opaque":
            yield partial(client_authentication, issuer.introspection, issuer.issuer, secrets)
    links = settings.identity.links
    if links is not None:
        yield partial(read_links, links)
    for upstream in settings.upstreams:
        yield partial(_open_alone, upstream, secrets)


def _check_schema(settings: Settings) -> None:
    """The schema, and what is checked against it."""
    policy = read_policy(settings.permissions.policy)
    schema = build_schema(resource_types(settings.schema.resources), policy)
    preparation = Preparation(schema.graphql, settings.widest_limits, settings.server.introspection)
    read_trusted(settings.documents, preparation)


def _open_alone(upstream: UpstreamSettings, secrets: Secrets) -> None:
    open_upstreams([upstream], Wiring(secrets, keys=read_keys(secrets)))


def store_url(settings: Settings, secrets: Secrets) -> str | None:
    """The address of the store, for kinds that have one; raises `SecretInvalid`."""
    name = settings.store.url_secret
    return secrets.required(name) if name is not None else None


def _problem(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except Exception as problem:  # noqa: BLE001  whatever stops the start is told as a sentence
        return str(problem) or type(problem).__name__
    return None


async def ask_outside(settings: Settings, secrets: Secrets, deadline_s: float) -> AsyncIterator[Finding]:
    """Asks issuers for their keys and sources whether they answer."""
    async with issuer_client() as client:
        for issuer in open_issuers(settings.issuers, client, secrets):
            yield await _ask_issuer(issuer, client)
    links = settings.identity.links
    table = read_links(links) if links is not None else LinkTable()
    wiring = Wiring(secrets, table, keys=read_keys(secrets))
    for upstream in open_upstreams(settings.upstreams, wiring):
        yield await _ask(upstream, deadline_s)


async def _ask_issuer(issuer: Issuer, client: IssuerClient) -> Finding:
    name = f"issuer {issuer.settings.issuer}"
    try:
        if isinstance(issuer, OpaqueIssuer):
            await issuer.introspect(_NOBODYS)
            return Finding(name, True, "answers introspection")
        document, _ = await fetch_json(client, await issuer.metadata.address("jwks_uri"))
        count = sum(map(len, usable_keys(document).values()))
    except KeysUnavailable as problem:
        return Finding(name, False, problem.reason)
    except MetadataUnavailable as problem:
        return Finding(name, False, f"keys cannot be had: {problem}")
    return Finding(name, count > 0, f"{count} keys" if count else "publishes no key that can verify a token")


async def _ask(upstream: Upstream, deadline_s: float) -> Finding:
    call = Call(time.monotonic() + deadline_s, str(uuid.uuid4()), _CHECKER)
    try:
        await upstream.start()
        problem = await upstream.probe(call)
    finally:
        await upstream.close()
    if problem is None:
        return Finding(f"upstream {upstream.name}", True, "answers")
    return Finding(f"upstream {upstream.name}", False, _told(problem))


def _told(problem: UpstreamError) -> str:
    """For the operator's own terminal, so with the detail that a client never sees."""
    return f"{problem.code}: {problem.message} {problem.detail}".strip()
