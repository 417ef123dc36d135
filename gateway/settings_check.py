"""Settings that are fine one by one and cannot work together."""

from collections.abc import Callable, Iterator
from typing import Final

from gateway.credentials_check import credential_problems
from gateway.settings import Settings

SECRET_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "apikey"}
)


def contradictions(settings: Settings) -> tuple[str, ...]:
    """One sentence for each combination that cannot work."""
    return tuple(sentence for check in CHECKS for sentence in check(settings))


def _server(settings: Settings) -> Iterator[str]:
    if settings.server.graphiql and not settings.server.introspection:
        yield "`server.graphiql` is on and `server.introspection` is off: GraphiQL shows nothing without it"


def _store(settings: Settings) -> Iterator[str]:
    if settings.store.kind != "memory" and settings.store.url_secret is None:
        yield "`store.url_secret` is missing: name the secret that holds the address of the store"
    if settings.store.kind == "memory" and settings.store.url_secret is not None:
        yield '`store.url_secret` is never read while `store.kind` is "memory"'


def _ratelimit(settings: Settings) -> Iterator[str]:
    limits = settings.ratelimit
    if settings.store.kind == "memory" and (limits.on_store_failure == "deny" or limits.local_share < 1):
        yield (
            "`ratelimit.on_store_failure` and `ratelimit.local_share` never come into play while "
            '`store.kind` is "memory": there is no shared store that could be away'
        )
    known = {issuer.issuer for issuer in settings.issuers}
    for row in limits.clients:
        if row.issuer is not None and row.issuer not in known:
            yield f"`ratelimit.clients` names issuer {row.issuer} for client {row.client}, which is no issuer"


def _documents(settings: Settings) -> Iterator[str]:
    documents = settings.documents
    if documents.may_require and not documents.has_trusted:
        yield (
            '`documents` has a mode "require" and neither `folder` nor `manifests`: '
            "nothing could be asked where only trusted documents may be"
        )
    if documents.registered_max_per_client > documents.registered_max:
        yield "`documents.registered_max_per_client` is never reached: `documents.registered_max` is less"
    for tier in documents.mode_by_tier:
        if tier not in {one.name for one in settings.ratelimit.tiers}:
            yield f"`documents.mode_by_tier` names tier {tier}, and there is no such tier"


def _audit(settings: Settings) -> Iterator[str]:
    if settings.audit.sink == "file" and settings.audit.path is None:
        yield '`audit.path` is missing: the sink "file" needs a file to append to'
    if settings.audit.sink != "file" and settings.audit.path is not None:
        yield '`audit.path` is never used unless `audit.sink` is "file"'


def _telemetry(settings: Settings) -> Iterator[str]:
    if settings.telemetry.exporter == "otlp-file" and settings.telemetry.path is None:
        yield '`telemetry.path` is missing: the exporter "otlp-file" needs a file to write to'
    if settings.telemetry.exporter != "otlp-file" and settings.telemetry.path is not None:
        yield '`telemetry.path` is never used unless `telemetry.exporter` is "otlp-file"'


def _issuers(settings: Settings) -> Iterator[str]:
    names = [(one.issuer, one.kind) for one in settings.issuers]
    for name, kind in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f'two issuers are {name}, both of kind "{kind}": an issuer stands once for each kind'
    for issuer in settings.issuers:
        if issuer.bound_tokens_required and settings.server.client_certificate is None:
            yield (
                f"`bound_tokens_required` of issuer {issuer.issuer} needs [server.client_certificate]: "
                "without it every token of the issuer would be refused"
            )
        if issuer.kind == "opaque" and issuer.introspection.takes_jwts and (issuer.issuer, "jwt") in names:
            yield (
                f"`introspection.takes_jwts` of issuer {issuer.issuer} never comes into play: "
                'its JWTs are checked by its keys, as its entry of kind "jwt" says'
            )
        if issuer.patient_source is not None:
            yield from _unknown(
                f"`patient_source` of issuer {issuer.issuer}", issuer.patient_source, settings
            )


def _identity(settings: Settings) -> Iterator[str]:
    for name in settings.identity.trusted_sources or ():
        yield from _unknown("`identity.trusted_sources`", name, settings)
    if not settings.identity.linking_systems and len(settings.upstreams) > 1:
        yield "`identity.linking_systems` is empty: the sources would never be joined"
    systems = (*settings.identity.linking_systems, *settings.account_systems.values())
    for system in dict.fromkeys(one for one in systems if systems.count(one) > 1):
        yield f"`{system}` stands twice among `linking_systems` and `account_system`: each system links once"
    for one in settings.upstreams:
        if one.account_system is not None and one.kind == "fhir":
            yield f"`account_system` of upstream {one.name} is never used: its Patients name themselves"
    links = settings.identity.links
    if links is not None and not links.is_file():
        yield f"`identity.links`: there is no file {links}"


def _upstreams(settings: Settings) -> Iterator[str]:
    names = [one.name for one in settings.upstreams]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"two upstreams are called `{name}`: ids and errors could not tell them apart"
    for one in settings.upstreams:
        if one.timeout_s > settings.server.request_deadline_s:
            yield (
                f"`timeout_s` of upstream {one.name} is longer than `server.request_deadline_s`, "
                "so it would never come into play"
            )
        for place in one.locations:
            for header in place.headers:
                if header.lower() in SECRET_HEADERS:
                    yield (
                        f"upstream {one.name} has the header {header} in the file, where no secret belongs: "
                        "use `credentials` or `secret_headers`"
                    )


def _unknown(where: str, name: str, settings: Settings) -> Iterator[str]:
    known = [one.name for one in settings.upstreams]
    if name not in known:
        yield f"{where} names `{name}`, which is no upstream (there are: {', '.join(known)})"


CHECKS: Final[tuple[Callable[[Settings], Iterator[str]], ...]] = (
    _server,
    _store,
    _ratelimit,
    _documents,
    _audit,
    _telemetry,
    _issuers,
    _identity,
    _upstreams,
    credential_problems,
)
