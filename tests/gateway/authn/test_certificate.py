"""A certificate counts only from a proxy that the settings name, and only whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.app import Outside, build
from gateway.authn.authenticator import Credentials, TokenInvalid
from gateway.authn.bearer import BearerAuthenticator
from gateway.authn.certificate import CertificateHeader, ClientCertificateSettings, credentials_of
from gateway.secrets import Secrets
from resolvers.upstreams.wiring import Wiring
from tests.gateway.authn.certificates import as_client_cert, as_pem, made, thumbprint
from tests.gateway.issuing import AuthorizationServer
from tests.gateway.settings_files import settings, write_secrets

PROXY, SOMEBODY = "10.0.0.7", "192.0.2.9"
CERTIFICATE, OTHERS = made("client"), made("another")
THUMBPRINT = thumbprint(CERTIFICATE)


def header(**changes: Any) -> CertificateHeader:
    return CertificateHeader(
        ClientCertificateSettings(**{"proxies": ["10.0.0.0/8", "2001:db8::/32"], **changes})
    )


def read(value: str, peer: str | None = PROXY, **changes: Any) -> str | None:
    return header(**changes).thumbprint({b"client-cert": value.encode("latin-1")}, peer)


@pytest.mark.parametrize(
    ("value", "format"), [(as_client_cert(CERTIFICATE), "client-cert"), (as_pem(CERTIFICATE), "pem")]
)
@pytest.mark.parametrize(
    ("peer", "is_believed"),
    [
        (PROXY, True),
        ("::ffff:10.0.0.7", True),
        ("2001:db8::1", True),
        (SOMEBODY, False),
        ("::1", False),
        ("", False),
        ("unix", False),
        (None, False),
    ],
)
def test_header_is_believed_from_a_configured_proxy_alone(
    value: str, format: str, peer: str | None, is_believed: bool
) -> None:
    assert read(value, peer, format=format) == (THUMBPRINT if is_believed else None)


@pytest.mark.parametrize("format", ["client-cert", "pem"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        ":",
        "::",
        ":!!!:",
        ":bm90IGEgY2VydGlmaWNhdGU=:",
        as_client_cert(CERTIFICATE)[:-1],
        as_client_cert(CERTIFICATE)[:-20] + ":",
        f"{as_client_cert(OTHERS)}, {as_client_cert(CERTIFICATE)}",  # two header lines, one of them forged
        f"{as_pem(OTHERS)}, {as_pem(CERTIFICATE)}",
        as_pem(OTHERS) + as_pem(CERTIFICATE),
        as_pem(CERTIFICATE)[:300],
        as_pem(CERTIFICATE).replace("CERTIFICATE", "PRIVATE%20KEY"),
        "x" * 40_000,
    ],
)
def test_what_is_not_one_whole_certificate_is_none(value: str, format: str) -> None:
    assert read(value, format=format) is None


@given(st.binary(max_size=300), st.sampled_from(["client-cert", "pem"]))
def test_any_bytes_are_read_without_a_fault(value: bytes, format: Any) -> None:
    assert header(format=format).thumbprint({b"client-cert": b":" + value + b":"}, PROXY) is None
    assert header(format=format).thumbprint({b"client-cert": value}, PROXY) is None


def test_header_has_the_name_that_the_settings_give() -> None:
    named = header(header="X-SSL-Cert", format="pem")
    assert named.thumbprint({b"x-ssl-cert": as_pem(CERTIFICATE).encode()}, PROXY) == THUMBPRINT
    assert named.thumbprint({b"client-cert": as_pem(CERTIFICATE).encode()}, PROXY) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"proxies": []},
        {"proxies": ["0.0.0.0/0"]},
        {"proxies": ["::/0"]},
        {"proxies": ["a.test"]},
        {"header": "a b"},
    ],
)
def test_settings_that_would_believe_anybody_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        header(**changes)


def test_without_the_setting_no_header_is_read() -> None:
    headers = {b"client-cert": as_client_cert(CERTIFICATE).encode(), b"authorization": b"Bearer x"}
    scope = {"client": (PROXY, 1)}
    assert credentials_of(scope, headers, None) == Credentials("Bearer x")
    assert credentials_of(scope, headers, header()) == Credentials("Bearer x", THUMBPRINT)
    assert credentials_of({"client": None}, headers, header()) == Credentials("Bearer x")


# ---------------------------------------------------------------- bound tokens

BOUND = {"cnf": {"x5t#S256": THUMBPRINT}}


@pytest.fixture
def server() -> AuthorizationServer:
    return AuthorizationServer()


def tokens(server: AuthorizationServer, **claims: Any) -> list[tuple[BearerAuthenticator, str]]:
    """A token of each kind with these claims, and who checks it."""
    opaque = BearerAuthenticator([server.opaque_issuer()])
    return [(server.authenticator(), server.token(**claims)), (opaque, server.give("t1", **claims))]


async def test_bound_token_needs_its_certificate_each_time_cached_or_not(server: AuthorizationServer) -> None:
    for authenticator, token in tokens(server, **BOUND):
        for _ in range(2):
            for wrong in (None, "", thumbprint(OTHERS), THUMBPRINT.lower()):
                with pytest.raises(TokenInvalid):
                    await authenticator.authenticate(Credentials(f"Bearer {token}", wrong))
                assert authenticator.at_once(Credentials(f"Bearer {token}", wrong)) is None
            shown = Credentials(f"Bearer {token}", THUMBPRINT)
            known = await authenticator.authenticate(shown)
            assert authenticator.at_once(shown) is known


@pytest.mark.parametrize(
    "confirmation",
    [
        {},
        [],
        "x5t#S256",
        {"jkt": "thumbprint"},  # DPoP (RFC 9449)
        {"jkt": "thumbprint", "x5t#S256": THUMBPRINT},
        {"jwk": {"kty": "EC"}},
        {"kid": "k1"},
        {"x5t": THUMBPRINT},
        {"x5t#S256": ""},
        {"x5t#S256": None},
        {"x5t#S256": [THUMBPRINT]},
        {"X5T#S256": THUMBPRINT},
    ],
)
async def test_token_bound_in_any_other_way_is_refused(
    server: AuthorizationServer, confirmation: Any
) -> None:
    for authenticator, token in tokens(server, cnf=confirmation):
        with pytest.raises(TokenInvalid):
            await authenticator.authenticate(Credentials(f"Bearer {token}", THUMBPRINT))


async def test_unbound_token_may_be_shown_with_a_certificate(server: AuthorizationServer) -> None:
    for authenticator, token in tokens(server):
        assert await authenticator.authenticate(Credentials(f"Bearer {token}", THUMBPRINT))


async def test_unbound_token_is_refused_where_the_issuers_must_be_bound(server: AuthorizationServer) -> None:
    signing = server.authenticator(bound_tokens_required=True)
    asked = BearerAuthenticator([server.opaque_issuer(bound_tokens_required=True)])
    for authenticator, token in ((signing, server.token()), (asked, server.give("t1"))):
        with pytest.raises(TokenInvalid):
            await authenticator.authenticate(Credentials(f"Bearer {token}", THUMBPRINT))
    shown = Credentials(f"Bearer {server.token(**BOUND)}", THUMBPRINT)
    assert await signing.authenticate(shown)


# ---------------------------------------------------------------- at the front door


@asynccontextmanager
async def gateway(folder: Path, issuer: AuthorizationServer, peer: str) -> AsyncIterator[httpx.AsyncClient]:
    write_secrets(folder)
    secrets = Secrets(folder / "secrets", {})
    read = settings(
        folder,
        server__client_certificate={"proxies": [PROXY], "format": "pem"},
        schema__resources=["Patient"],
    )
    app = build(read, secrets, Outside(issuer.client, Wiring(secrets)))
    transport = httpx.ASGITransport(app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize(
    ("peer", "lines", "status"),
    [
        (PROXY, [as_pem(CERTIFICATE)], 200),
        (PROXY, [as_pem(OTHERS)], 401),
        (PROXY, [], 401),
        (PROXY, [as_pem(CERTIFICATE), as_pem(CERTIFICATE)], 401),  # the proxy added its line to a forged one
        (SOMEBODY, [as_pem(CERTIFICATE)], 401),  # forged: nobody but the proxy may say this
    ],
)
async def test_forged_certificate_header_opens_nothing(
    tmp_path: Path, server: AuthorizationServer, peer: str, lines: list[str], status: int
) -> None:
    sent = [("Authorization", f"Bearer {server.token(**BOUND)}"), *(("Client-Cert", line) for line in lines)]
    sent.append(("X-Forwarded-For", PROXY))
    async with gateway(tmp_path, server, peer) as client:
        answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers=sent)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert "data" not in answer.json()
        assert THUMBPRINT not in answer.text
