"""The composition root: everything is built here once and handed to what needs it; nobody imports it."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from gateway.addresses import Addresses
from gateway.audit.sink import open_sink
from gateway.audit.trail import Trail
from gateway.authn.bearer import BearerAuthenticator, Issuer
from gateway.authn.certificate import CertificateHeader
from gateway.authn.issuers import IssuerClient, issuer_client, open_issuers
from gateway.binary import BinaryEndpoint
from gateway.cors import OriginList
from gateway.discovery import SmartConfiguration
from gateway.documents import Documents
from gateway.edge import Edge
from gateway.entity_tags import EntityTags
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.denials import Denials
from gateway.graphiql import assets
from gateway.health import Readiness, healthz
from gateway.http import GraphQLEndpoint
from gateway.keys import SigningKeys, read_keys
from gateway.persisted.persisted import PersistedDocuments
from gateway.persisted.reload import TrustedDocuments
from gateway.pipeline import Pipeline
from gateway.policy_file import read_policy
from gateway.prepare import Preparation
from gateway.secrets import Secrets
from gateway.settings import Settings
from gateway.settings_file import read_settings
from gateway.start_check import KEYS, store_url
from gateway.store.store import Store, open_store
from gateway.telemetry import Telemetry, open_telemetry
from permissions.decision import Decisions
from permissions.principal import Principal
from resolvers.attachment_ids import Attachments
from resolvers.cache import Cache
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.person import PersonKey
from resolvers.upstreams.closed import rules_of
from resolvers.upstreams.links import LinkTable, read_links
from resolvers.upstreams.registry import open_upstreams
from resolvers.upstreams.wiring import Wiring
from schema.build import build_schema, resource_types

SETTINGS_VARIABLE: Final = "CLINICAL_GATEWAY_SETTINGS"

COLLECT_AFTER: Final = (50_000, 50, 1_000)
"""Allocations after which the collector looks (gc.set_threshold). One page of FHIR is tens of thousands of
objects, and nearly all that a request makes is freed without the collector."""

SWITCH_AFTER_S: Final = 0.001
"""How long the thread that prepares documents may hold up the event loop at a time; 5 ms is Python's own."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The ways out of the process, which tests replace with in-process ones."""

    issuers: IssuerClient
    wiring: Wiring


def build(settings: Settings, secrets: Secrets | None = None, outside: Outside | None = None) -> ASGIApp:
    """The whole gateway as one ASGI application; raises what is wrong with settings, secrets and schema."""
    secrets = secrets or Secrets(settings.secrets.directory)
    telemetry = open_telemetry(settings.telemetry)
    outside = outside or _outside(settings, secrets, telemetry)
    store = open_store(settings.store, store_url(settings, secrets))
    trail = Trail(open_sink(settings.audit))
    keys = read_keys(secrets)
    wiring = replace(outside.wiring, keys=keys, grants=store.grants)

    types = resource_types(settings.schema.resources)
    schema = build_schema(types, read_policy(settings.permissions.policy))

    issuers = open_issuers(settings.issuers, outside.issuers, secrets)
    authenticator = BearerAuthenticator(issuers)
    preparation = Preparation(schema.graphql, settings.limits, settings.server.introspection)
    documents = Documents(preparation)
    persisted = _persisted(settings, preparation, documents, store)
    federation = _federation(settings, secrets, wiring, store.cache, frozenset(types))
    decisions = Decisions(schema.rules, measures=settings.permissions.mode == "measure")
    pipeline = Pipeline(
        authenticator,
        persisted,
        documents,
        federation,
        decisions,
        Denials(schema.graphql, schema.rules),
        CompiledExecutor(schema.graphql, schema.rules, hide_suggestions=not settings.server.introspection),
        telemetry,
        trail,
        settings.server.request_deadline_s,
        addresses=Addresses(schema.graphql, settings.identity.linking_systems),
        tags=EntityTags(secrets.key("cursor_key", KEYS["cursor_key"])),
        rejects=settings.permissions.on_denied == "reject",
    )

    certificates = _certificates(settings)
    binary = BinaryEndpoint(
        settings.binary, authenticator, decisions, federation, schema, telemetry, trail, certificates
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await federation.start()
        watching = asyncio.create_task(persisted.trusted.watch())
        _tune()
        try:
            yield
        finally:
            watching.cancel()
            await federation.close()
            await authenticator.close()
            await outside.issuers.aclose()
            await store.close()
            telemetry.close()
            trail.end()

    readiness = Readiness(federation, persisted.trusted)
    routes = _routes(settings, pipeline, binary, readiness, issuers[0], keys, schema.sdl)
    return Edge(Starlette(routes=routes, lifespan=lifespan), OriginList(settings.server.allowed_origins))


def application() -> ASGIApp:
    """What each worker process serves: the settings that `serve` names in the environment."""
    return build(read_settings(Path(os.environ[SETTINGS_VARIABLE])))


def _tune() -> None:
    # The schema is hundreds of thousands of objects that stay: the collector need not walk them again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_AFTER_S)


def _persisted(
    settings: Settings, preparation: Preparation, documents: Documents, store: Store
) -> PersistedDocuments:
    trusted = TrustedDocuments(settings.documents, preparation, documents)
    trusted.load()
    registered = store.registered(settings.documents.bounds)
    longest = settings.limits.max_characters
    return PersistedDocuments(settings.documents, trusted, registered, _tier_of, longest)


def _tier_of(_: Principal) -> str | None:
    """Callers are in no tier yet."""
    return None


def _certificates(settings: Settings) -> CertificateHeader | None:
    shown = settings.server.client_certificate
    return CertificateHeader(shown) if shown is not None else None


def _routes(
    settings: Settings,
    pipeline: Pipeline,
    binary: BinaryEndpoint,
    readiness: Readiness,
    issuer: Issuer,
    keys: SigningKeys,
    sdl: str,
) -> list[BaseRoute]:
    server = settings.server
    graphql = GraphQLEndpoint(
        pipeline,
        server.max_body_bytes,
        settings.limits.max_variables_bytes,
        has_page=server.graphiql,
        certificates=_certificates(settings),
    )

    async def schema(_: Request) -> Response:
        return PlainTextResponse(sdl)

    return [
        Route("/graphql", graphql),
        Route("/binary/{id}", binary),
        Route("/healthz", healthz),
        Route("/readyz", readiness.readyz),
        Route("/.well-known/jwks.json", keys.publish),
        Route("/.well-known/smart-configuration", SmartConfiguration(issuer).publish),
        *([Route("/schema.graphql", schema)] if server.introspection else []),
        *([assets()] if server.graphiql else []),
    ]


def _outside(settings: Settings, secrets: Secrets, telemetry: Telemetry) -> Outside:
    links = settings.identity.links
    wiring = Wiring(
        secrets,
        read_links(links) if links is not None else LinkTable(),
        telemetry.tracer("upstreams"),
    )
    return Outside(issuer_client(), wiring)


def _federation(
    settings: Settings, secrets: Secrets, wiring: Wiring, cache: Cache, types: frozenset[str]
) -> Federation:
    linking = Linking(
        systems=settings.identity.linking_systems,
        trusted_sources=settings.trusted_sources,
        key=PersonKey(secrets.key("identity_key", KEYS["identity_key"])),
    )
    cursor_key = secrets.key("cursor_key", KEYS["cursor_key"])
    return Federation(
        open_upstreams(settings.upstreams, wiring),
        linking,
        Cursors(cursor_key, cache),
        cache,
        types,
        rules={one.name: rules_of(one) for one in settings.upstreams},
        purpose_default=settings.purposes.default,
        attachments=Attachments(cursor_key, settings.server.public_url or ""),
    )
