"""Credentials of sources that cannot work with the rest of the settings, or would show a secret in clear."""

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.authn.issuer import is_loopback
from gateway.settings import Settings
from resolvers.upstreams.credential_settings import (
    ForwardCredentials,
    MtlsCredentials,
    PatientGrantCredentials,
    TokenExchangeCredentials,
)
from resolvers.upstreams.settings import UpstreamSettings

Check = Callable[[UpstreamSettings, Settings], Iterator[str]]


def credential_problems(settings: Settings) -> Iterator[str]:
    """One sentence for each combination that cannot work."""
    for upstream in settings.upstreams:
        for check in _CHECKS:
            yield from check(upstream, settings)


def _trusted_issuer(upstream: UpstreamSettings, settings: Settings) -> Iterator[str]:
    """A source that trusts nobody's callers would never be asked."""
    credentials = upstream.credentials
    if not isinstance(credentials, ForwardCredentials | TokenExchangeCredentials):
        return
    known = [one.issuer for one in settings.issuers]
    if credentials.trusted_issuer is not None and credentials.trusted_issuer not in known:
        yield (
            f"upstream {upstream.name} trusts callers of {credentials.trusted_issuer}, which is no issuer "
            f"here (there are: {', '.join(known)}): it would be DENIED to everybody"
        )


def _wire(upstream: UpstreamSettings, settings: Settings) -> Iterator[str]:
    """A caller's token, a client's secret or a certificate is for TLS."""
    credentials = upstream.credentials
    places = [place for place in (upstream.base_url, *(one.base_url for one in upstream.locations)) if place]
    if isinstance(credentials, MtlsCredentials):
        for place in places:
            if not place.startswith("https://"):
                yield f"upstream {upstream.name} shows a certificate, which {place} cannot ask for: use https"
    elif isinstance(credentials, ForwardCredentials | TokenExchangeCredentials | PatientGrantCredentials):
        yield from _clear(upstream, places, "people's tokens")
    token_url = getattr(credentials, "token_url", None)
    if token_url is not None:
        yield from _clear(upstream, [token_url], "its proof and its tokens")


def _clear(upstream: UpstreamSettings, addresses: list[str], what: str) -> Iterator[str]:
    for address in addresses:
        if address.startswith("http://") and not is_loopback(urlsplit(address).hostname):
            yield f"upstream {upstream.name} would send {what} to {address} in the clear: use https"


def _grants(upstream: UpstreamSettings, settings: Settings) -> Iterator[str]:
    credentials = upstream.credentials
    if not isinstance(credentials, PatientGrantCredentials):
        return
    if upstream.kind == "fhir":
        yield (
            f"upstream {upstream.name} is a FHIR server, which is not asked for single users: "
            'credentials of kind "patient_grant" are for vendor accounts'
        )
    if credentials.token_url is not None and settings.store.kind == "memory":
        yield (
            f"upstream {upstream.name} renews grants (`credentials.token_url`), and "
            '`store.kind` is "memory": refresh tokens would be lost with the process; use a durable Redis'
        )


_CHECKS: Final[tuple[Check, ...]] = (_trusted_issuer, _wire, _grants)
