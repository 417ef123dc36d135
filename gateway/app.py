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
from gateway.charging import Charging
from gateway.cors import OriginList
from gateway.cost.weights import Weights
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
from gateway.ratelimit.limits import Limits, open_limits
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
from resolvers.upstreams.closed import rules_of, takes_callers_token
from resolvers.upstreams.links import LinkTable, read_links
from resolvers.upstreams.registry import open_upstreams
from resolvers.upstreams.wiring import Wiring
from schema.build import BuiltSchema, build_schema, resource_types
from schema.cost import counts_of

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
    store, trail = open_store(settings.store, store_url(settings, secrets)), Trail(open_sink(settings.audit))
    keys, limits = read_keys(secrets), _limits(settings, secrets)
    wiring = replace(outside.wiring, keys=keys, grants=store.grants, rates=limits.rates)

    types = resource_types(settings.schema.resources)
    federation = _federation(settings, secrets, wiring, store.cache, frozenset(types))
    schema = _schema(settings, types, federation)

    issuers = open_issuers(settings.issuers, outside.issuers, secrets)
    authenticator = BearerAuthenticator(issuers)
    is_shown, graphql = settings.server.introspection, schema.graphql
    executor = CompiledExecutor(graphql, schema.rules, hide_suggestions=not is_shown)
    preparation = Preparation(graphql, settings.widest_limits, is_shown, Weights(graphql))
    persisted, documents = _persisted(settings, preparation, store, limits)
    decisions = Decisions(schema.rules, measures=settings.permissions.mode == "measure")
    pipeline = Pipeline(
        authenticator,
        persisted,
        documents,
        federation,
        decisions,
        Denials(schema.graphql, schema.rules),
        executor,
        Charging(limits.budgets, executor, settings.limits, settings.ratelimit.tiers),
        telemetry,
        trail,
        settings.server.request_deadline_s,
        addresses=Addresses(schema.graphql, settings.identity.linking_systems),
        tags=EntityTags(secrets.key("cursor_key", KEYS["cursor_key"])),
        rejects=settings.permissions.on_denied == "reject",
    )

    header, budgets = _certificates(settings), limits.budgets
    binary = BinaryEndpoint(
        settings.binary, authenticator, decisions, federation, schema, telemetry, trail, budgets, header
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
            for one in (federation, authenticator, limits, store):
                await one.close()
            await outside.issuers.aclose()
            telemetry.close()
            trail.end()

    readiness = Readiness(federation, persisted.trusted)
    routes = _routes(settings, pipeline, binary, readiness, issuers[0], keys, schema.sdl)
    return Edge(Starlette(routes=routes, lifespan=lifespan), OriginList(settings.server.allowed_origins))


def application() -> ASGIApp:
    """What each worker process serves: the settings that `serve` names in the environment."""
    return build(read_settings(Path(os.environ[SETTINGS_VARIABLE])))


def _schema(settings: Settings, types: tuple[str, ...], federation: Federation) -> BuiltSchema:
    policy, sources = read_policy(settings.permissions.policy), counts_of(federation.upstreams.values())
    return build_schema(types, policy, sources, preferred=settings.schema.preferred_systems)


def _limits(settings: Settings, secrets: Secrets) -> Limits:
    return open_limits(
        settings.ratelimit,
        settings.store.kind,
        store_url(settings, secrets),
        settings.server.request_deadline_s,
        secrets.key("cursor_key", KEYS["cursor_key"]),
    )


def _tune() -> None:
    # The schema is hundreds of thousands of objects that stay: the collector need not walk them again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_AFTER_S)


def _persisted(
    settings: Settings, preparation: Preparation, store: Store, limits: Limits
) -> tuple[PersistedDocuments, Documents]:
    documents = Documents(preparation)

    def tier_of(principal: Principal) -> str:
        return limits.budgets.tier_of(principal).name

    trusted = TrustedDocuments(settings.documents, preparation, documents)
    trusted.load()
    registered = store.registered(settings.documents.bounds)
    longest = preparation.limits.max_characters
    return PersistedDocuments(settings.documents, trusted, registered, tier_of, longest), documents


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
    links, accounts = settings.identity.links, settings.account_systems
    wiring = Wiring(
        secrets,
        read_links(links, accounts) if links is not None else LinkTable((), accounts),
        telemetry.tracer("upstreams"),
    )
    return Outside(issuer_client(), wiring)


def _federation(
    settings: Settings, secrets: Secrets, wiring: Wiring, cache: Cache, types: frozenset[str]
) -> Federation:
    linking = Linking(
        systems=(*settings.identity.linking_systems, *settings.account_systems.values()),
        trusted_sources=settings.trusted_sources,
        key=PersonKey(secrets.key("identity_key", KEYS["identity_key"])),
        agree_on=settings.identity.agree_on,
        refill=settings.identity.refill,
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
        takes_tokens=any(takes_callers_token(one) for one in settings.upstreams),
    )
