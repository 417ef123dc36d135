"""Keys follow the issuer: fetched when needed, renewed in time, kept through an outage."""

import asyncio
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from gateway.authn import jwks, metadata
from gateway.authn.authenticator import KeysUnavailable
from gateway.authn.jwks import IssuerKeys, usable_keys
from gateway.authn.metadata import IssuerMetadata, MetadataUnavailable, discovery_urls, lifetime_s
from tests.gateway.issuing import ISSUER, JWKS_URI, AuthorizationServer, Clock, ec_key


@pytest.fixture
def server() -> AuthorizationServer:
    return AuthorizationServer()


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


def keys_of(server: AuthorizationServer, clock: Clock, jwks_uri: str | None = JWKS_URI) -> IssuerKeys:
    published = IssuerMetadata(ISSUER, server.client, {"jwks_uri": jwks_uri}, clock)
    return IssuerKeys(published, server.client, clock)


async def test_many_askers_fetch_once(server: AuthorizationServer, clock: Clock) -> None:
    keys = keys_of(server, clock)
    found = await asyncio.gather(*(keys.find("k1", "ES384") for _ in range(50)))
    assert all(found)
    assert server.asked == [JWKS_URI]


async def test_keys_are_kept_no_longer_than_cache_control_says(
    server: AuthorizationServer, clock: Clock
) -> None:
    keys = keys_of(server, clock)
    await keys.find("k1", "ES384")
    clock.now += 300
    await keys.find("k1", "ES384")
    assert len(server.asked) == 1
    clock.now += 301
    await keys.find("k1", "ES384")
    assert len(server.asked) == 2


async def test_keys_are_renewed_ahead_without_making_a_caller_wait(
    server: AuthorizationServer, clock: Clock
) -> None:
    keys = keys_of(server, clock)
    await keys.find("k1", "ES384")
    clock.now += 500  # of 600
    await keys.find("k1", "ES384")
    await asyncio.sleep(0.01)
    assert len(server.asked) == 2


async def test_new_key_is_found_at_once_by_all_who_ask(server: AuthorizationServer, clock: Clock) -> None:
    keys = keys_of(server, clock)
    await keys.find("k1", "ES384")
    server.keys.append(ec_key("k2"))
    assert all(await asyncio.gather(*(keys.find("k2", "ES384") for _ in range(20))))
    assert len(server.asked) == 2


async def test_invented_kids_do_not_reach_the_issuer_in_a_stream(
    server: AuthorizationServer, clock: Clock
) -> None:
    keys = keys_of(server, clock)
    for number in range(100):
        assert await keys.find(f"invented-{number}", "ES384") is None
    assert len(server.asked) <= 2
    clock.now += 11
    for _ in range(100):
        assert await keys.find("invented-0", "ES384") is None
    assert len(server.asked) <= 3


async def test_outage_keeps_the_cached_keys(server: AuthorizationServer, clock: Clock) -> None:
    keys = keys_of(server, clock)
    await keys.find("k1", "ES384")
    server.is_down = True
    clock.now += 3600
    assert await keys.find("k1", "ES384")
    clock.now += 100_000
    with pytest.raises(KeysUnavailable):
        await keys.find("k1", "ES384")


async def test_issuer_that_is_down_is_not_asked_by_every_request(
    server: AuthorizationServer, clock: Clock
) -> None:
    server.is_down = True
    keys = keys_of(server, clock)
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await keys.find("k1", "ES384")
    assert len(server.asked) == 1
    server.is_down = False
    clock.now += 11
    assert await keys.find("k1", "ES384")


async def test_issuer_that_is_slow_makes_nobody_wait_long(
    server: AuthorizationServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "WAIT_MAX_S", 0.05)
    monkeypatch.setattr(jwks, "WAIT_WITH_KEYS_MAX_S", 0.01)
    server.delay_s = 60.0
    keys = keys_of(server, clock)
    async with asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                await keys.find("k1", "ES384")
    assert len(server.asked) == 1
    await keys.close()


async def test_slow_issuer_keeps_the_cached_keys(
    server: AuthorizationServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "WAIT_WITH_KEYS_MAX_S", 0.01)
    keys = keys_of(server, clock)
    found = await keys.find("k1", "ES384")
    server.delay_s = 60.0
    clock.now += 3600
    async with asyncio.timeout(5):
        assert await keys.find("k1", "ES384") is found
        assert await keys.holds(found.thumbprint)  # type: ignore[union-attr]
    await keys.close()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b'{"keys": [' + b" " * metadata.DOCUMENT_BYTES_MAX + b"]}"),
        httpx.Response(302, headers={"Location": "https://evil.test/jwks"}),
        httpx.Response(200, headers={"Content-Encoding": "br"}, stream=httpx.ByteStream(b"x")),
    ],
)
async def test_what_is_no_small_jwk_set_gives_no_keys(
    server: AuthorizationServer, clock: Clock, answer: httpx.Response
) -> None:
    server.answers[JWKS_URI] = answer
    with pytest.raises(KeysUnavailable):
        await keys_of(server, clock).find("k1", "ES384")
    assert server.asked == [JWKS_URI]


async def test_caller_that_leaves_does_not_take_the_keys_from_the_others(
    server: AuthorizationServer, clock: Clock
) -> None:
    keys = keys_of(server, clock)
    leaving, staying = (asyncio.create_task(keys.find("k1", "ES384")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying


async def test_kid_that_several_keys_share_is_none_of_them(server: AuthorizationServer, clock: Clock) -> None:
    server.keys = [ec_key("same"), ec_key("same"), RSAKey.generate_key(2048, {"kid": "same"})]
    keys = keys_of(server, clock)
    assert await keys.find("same", "ES384") is None
    assert await keys.find("same", "RS384")  # one key of that kid may verify RS384


def test_only_public_signature_keys_are_usable() -> None:
    good = ec_key("good").as_dict(private=False)
    unusable: list[Any] = [
        {**good, "kid": 5},
        {**good, "use": "enc"},
        {**good, "key_ops": ["sign"]},
        {**good, "x": "broken"},
        {name: value for name, value in good.items() if name != "kid"},
        {"kty": "unheard-of", "kid": "x"},
        OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True),
        {"kty": "RSA", "kid": "short", "n": "v" * 170, "e": "AQAB"},
        {"kty": "RSA", "kid": "odd", "n": 5, "e": "AQAB"},
        "no object",
    ]
    assert list(usable_keys({"keys": [*unusable, good]})) == ["good"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": "x"}, "keys"])
def test_anything_but_a_jwk_set_is_refused(document: Any) -> None:
    with pytest.raises(MetadataUnavailable):
        usable_keys(document)


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({}, 300),
        ({"Cache-Control": "max-age=60"}, 60),
        ({"Cache-Control": "public, max-age=60"}, 60),
        ({"Cache-Control": "public,max-age=60", "Age": "20"}, 40),
        ({"Cache-Control": "max-age=60", "Age": "100"}, 0),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "max-age=60, no-cache"}, 0),
        ({"Cache-Control": "nonsense"}, 300),
    ],
)
def test_lifetime_follows_cache_control(headers: dict[str, str], expected_s: float) -> None:
    assert lifetime_s(httpx.Headers(headers)) == expected_s


async def test_keys_are_discovered_where_no_address_is_set(server: AuthorizationServer, clock: Clock) -> None:
    server.documents[discovery_urls(ISSUER)[1]] = {"issuer": ISSUER, "jwks_uri": JWKS_URI}
    assert await keys_of(server, clock, None).find("k1", "ES384")
    assert server.asked == [*discovery_urls(ISSUER), JWKS_URI]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.test", "jwks_uri": JWKS_URI},
        {"issuer": ISSUER, "jwks_uri": "http://issuer.test/jwks"},
        {"issuer": ISSUER},
        ["no", "object"],
    ],
)
async def test_discovery_document_of_another_issuer_or_without_tls_is_not_used(
    server: AuthorizationServer, clock: Clock, document: Any
) -> None:
    server.documents[discovery_urls(ISSUER)[0]] = document
    with pytest.raises(KeysUnavailable):
        await keys_of(server, clock, None).find("k1", "ES384")
    assert JWKS_URI not in server.asked


def test_discovery_addresses_follow_their_specifications() -> None:
    assert discovery_urls("https://a.test/tenant/") == (
        "https://a.test/tenant/.well-known/openid-configuration",
        "https://a.test/.well-known/oauth-authorization-server/tenant",
    )
