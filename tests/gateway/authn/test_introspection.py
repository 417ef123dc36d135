"""An opaque token counts only while its issuer says so, and the issuer is not asked more than it must be."""

import asyncio
import time
from base64 import b64encode
from typing import Any

import httpx
import pytest

from gateway.authn.authenticator import Credentials, KeysUnavailable, TokenInvalid
from gateway.authn.bearer import BearerAuthenticator
from gateway.authn.metadata import DOCUMENT_BYTES_MAX, discovery_urls
from permissions.scopes import Scope
from tests.gateway.issuing import AUDIENCE, INTROSPECTION, ISSUER, JWKS_URI, AuthorizationServer, Clock

OTHER = "https://other.test"


@pytest.fixture
def server() -> AuthorizationServer:
    return AuthorizationServer()


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


def bearer(token: str) -> Credentials:
    return Credentials(f"Bearer {token}")


async def principal_of(server: AuthorizationServer, token: str, **settings: Any) -> Any:
    return await BearerAuthenticator([server.opaque_issuer(**settings)]).authenticate(bearer(token))


async def refusal(server: AuthorizationServer, token: str, **settings: Any) -> str:
    with pytest.raises(TokenInvalid) as refused:
        await principal_of(server, token, **settings)
    assert str(refused.value) == "The access token is not valid."
    assert token not in refused.value.reason
    return refused.value.reason


async def test_active_token_gives_its_principal(server: AuthorizationServer) -> None:
    token = server.give("t1", scope="openid patient/*.rs", patient="1", encounter="e1", jti="id-1")
    principal = await principal_of(server, token, patient_source="ehr")
    assert (principal.issuer, principal.client, principal.subject) == (ISSUER, "an-app", "somebody")
    assert (principal.scopes, principal.words) == ((Scope("patient", "*", "rs"),), frozenset({"openid"}))
    assert (principal.patient, principal.patient_source, principal.encounter) == ("1", "ehr", "e1")
    assert principal.token_id == "id-1"


async def test_client_is_the_subject_of_its_own_token(server: AuthorizationServer) -> None:
    assert (await principal_of(server, server.give("t1", without="sub"))).subject == "an-app"


async def test_question_is_that_of_rfc_7662(server: AuthorizationServer) -> None:
    await principal_of(server, server.give("t1"))
    ((authorization, form),) = server.proofs
    assert form == {"token": "t1", "token_type_hint": "access_token"}
    assert authorization == "Basic " + b64encode(b"gateway:hush%3Ahush").decode()  # RFC 6749 section 2.3.1


@pytest.mark.parametrize("name", ["scope", "client_id", "exp"])
async def test_answer_without_a_member_that_smart_requires_is_refused(
    server: AuthorizationServer, name: str
) -> None:
    await refusal(server, server.give("t1", without=name))


@pytest.mark.parametrize(
    "members",
    [
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": None},
        {"nbf": 9_999_999_999},
        {"iss": OTHER},
        {"aud": OTHER},
        {"aud": AUDIENCE},  # an audience, while the settings give us none
        {"token_type": "DPoP"},
        {"token_type": "refresh_token"},
        {"typ": "Refresh"},
        {"token_use": "refresh_token"},
        {"token_type": None},  # so it might be a refresh token, which are active too
        {"typ": 5},
        {"scope": 5},
        {"client_id": ["an-app"]},
        {"sub": 5},
        {"patient": 5},
        {"cnf": {"jkt": "thumbprint"}},
        {"cnf": {"x5t#S256": "thumbprint"}},
    ],
)
async def test_answer_that_does_not_fit_is_refused(
    server: AuthorizationServer, members: dict[str, Any]
) -> None:
    await refusal(server, server.give("t1", **members))


async def test_audience_must_be_told_where_the_settings_have_one(server: AuthorizationServer) -> None:
    await refusal(server, server.give("t1"), audience=AUDIENCE)
    token = server.give("t2", without="token_type", aud=[OTHER, AUDIENCE])
    assert await principal_of(server, token, audience=AUDIENCE)


async def test_another_client_than_the_accepted_ones_is_refused(server: AuthorizationServer) -> None:
    assert "client" in await refusal(server, server.give("t1"), clients=("portal",))
    assert await principal_of(server, server.give("t2", client_id="portal"), clients=("portal",))


async def test_inactive_token_is_refused_and_asked_about_once(
    server: AuthorizationServer, clock: Clock
) -> None:
    authenticator = BearerAuthenticator([server.opaque_issuer()], clock)
    for _ in range(20):
        with pytest.raises(TokenInvalid):
            await authenticator.authenticate(bearer("unknown"))
    assert server.asked == [INTROSPECTION]
    clock.now += 6
    server.give("unknown")  # it was new, and the issuer's replicas had not all heard of it
    assert await authenticator.authenticate(bearer("unknown"))


async def test_refused_tokens_do_not_fill_the_memory(
    server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.authn.bearer.REFUSED_KEPT", 10)
    authenticator = BearerAuthenticator([server.opaque_issuer()])
    for number in range(30):
        with pytest.raises(TokenInvalid):
            await authenticator.authenticate(bearer(f"invented-{number}"))
    assert len(authenticator._refused) == 10


async def test_answer_is_kept_for_the_cache_time_and_revocation_counts_after_it(
    server: AuthorizationServer, clock: Clock
) -> None:
    authenticator = BearerAuthenticator([server.opaque_issuer()], clock)
    server.give("t1")
    for _ in range(5):
        await authenticator.authenticate(bearer("t1"))
    assert server.asked == [INTROSPECTION]
    server.opaque["t1"] = {"active": False}
    clock.now += 29
    await authenticator.authenticate(bearer("t1"))
    clock.now += 2
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(bearer("t1"))


async def test_answer_is_never_kept_past_exp(server: AuthorizationServer, clock: Clock) -> None:
    authenticator = BearerAuthenticator([server.opaque_issuer()], clock)
    server.give("t1", exp=clock.now + 5)
    await authenticator.authenticate(bearer("t1"))
    clock.now += 6
    with pytest.raises(TokenInvalid):  # although the issuer still says that it is active
        await authenticator.authenticate(bearer("t1"))


async def test_many_callers_with_one_token_ask_once(server: AuthorizationServer) -> None:
    authenticator = BearerAuthenticator([server.opaque_issuer()])
    server.give("t1")
    server.delay_s = 0.02
    leaving = asyncio.create_task(authenticator.authenticate(bearer("t1")))
    await asyncio.sleep(0.001)
    leaving.cancel()  # a caller that goes away does not take the answer from the others
    await asyncio.gather(*(authenticator.authenticate(bearer("t1")) for _ in range(50)))
    assert server.asked == [INTROSPECTION]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(401, json={"error": "invalid_client"}),
        httpx.Response(302, headers={"Location": "https://evil.test"}),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b'{"active": true, "scope": "' + b"x" * DOCUMENT_BYTES_MAX + b'"}'),
        httpx.Response(200, headers={"Content-Encoding": "br"}, stream=httpx.ByteStream(b"x")),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"active": "true", "scope": "user/*.rs", "client_id": "x", "exp": 9e9}),
        httpx.Response(200, json={"active": 1, "scope": "user/*.rs", "client_id": "x", "exp": 9e9}),
    ],
)
async def test_what_is_no_answer_of_introspection_says_nothing_of_the_token(
    server: AuthorizationServer, answer: httpx.Response
) -> None:
    server.opaque["t1"] = answer
    with pytest.raises(KeysUnavailable):
        await principal_of(server, "t1")
    assert len(server.asked) == 1


async def test_endpoint_that_is_down_keeps_tokens_good_that_are_still_cached(
    server: AuthorizationServer, clock: Clock
) -> None:
    authenticator = BearerAuthenticator([server.opaque_issuer()], clock)
    await authenticator.authenticate(bearer(server.give("t1")))
    server.is_down = True
    assert await authenticator.authenticate(bearer("t1"))
    clock.now += 31
    with pytest.raises(KeysUnavailable):
        await authenticator.authenticate(bearer("t1"))


async def test_slow_endpoint_makes_nobody_wait_long_and_is_left_alone_for_a_moment(
    server: AuthorizationServer,
) -> None:
    issuer = server.opaque_issuer({"timeout_s": 0.05})
    authenticator = BearerAuthenticator([issuer])
    server.give("t1")
    server.delay_s = 60.0
    async with asyncio.timeout(5):
        for token in ("t1", "t1", "t2"):
            with pytest.raises(KeysUnavailable):
                await authenticator.authenticate(bearer(token))
    assert len(server.asked) == 1
    server.delay_s = 0.0
    issuer._next_ask_at = 0.0  # type: ignore[union-attr]
    assert await authenticator.authenticate(bearer("t1"))


async def test_stream_of_invented_tokens_does_not_take_the_endpoint_for_silent(
    server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.authn.introspection.ASKED_AT_ONCE", 2)
    server.delay_s = 0.05
    issuer = server.opaque_issuer({"timeout_s": 0.12})
    authenticator = BearerAuthenticator([issuer])
    tokens = [bearer(f"invented-{number}") for number in range(12)]
    told = await asyncio.gather(*map(authenticator.authenticate, tokens), return_exceptions=True)
    assert {type(one) for one in told} == {TokenInvalid, KeysUnavailable}
    assert len(server.asked) <= 6


async def test_endpoint_is_discovered_where_it_is_not_configured(server: AuthorizationServer) -> None:
    server.documents[discovery_urls(ISSUER)[0]] = {"issuer": ISSUER, "introspection_endpoint": INTROSPECTION}
    assert await principal_of(server, server.give("t1"), introspection={"endpoint": None})
    assert server.asked == [discovery_urls(ISSUER)[0], INTROSPECTION]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": ISSUER},
        {"issuer": ISSUER, "introspection_endpoint": "http://issuer.test/introspect"},
        {"issuer": OTHER, "introspection_endpoint": INTROSPECTION},
    ],
)
async def test_token_is_shown_to_no_endpoint_that_cannot_be_trusted(
    server: AuthorizationServer, document: dict[str, Any]
) -> None:
    server.documents[discovery_urls(ISSUER)[0]] = document
    with pytest.raises(KeysUnavailable):
        await principal_of(server, server.give("t1"), introspection={"endpoint": None})
    assert server.proofs == []


# ---------------------------------------------------------------- several issuers


@pytest.fixture
def other() -> AuthorizationServer:
    return AuthorizationServer(issuer=OTHER)


async def test_jwts_and_opaque_tokens_each_find_their_issuer(
    server: AuthorizationServer, other: AuthorizationServer
) -> None:
    authenticator = BearerAuthenticator([server.issuer(), other.opaque_issuer()])
    other.give("t1")
    assert (await authenticator.authenticate(bearer("t1"))).issuer == OTHER
    assert (await authenticator.authenticate(bearer(server.token()))).issuer == ISSUER
    assert server.asked == [JWKS_URI]  # it never saw the opaque one
    assert [form["token"] for _, form in other.proofs] == ["t1"]  # and this one never saw the JWT


async def test_jwt_that_is_not_known_or_not_whole_is_shown_to_nobody(
    server: AuthorizationServer, other: AuthorizationServer
) -> None:
    issuers = [server.issuer(), other.opaque_issuer()]
    known, unknown, asked = (
        server.token(),
        server.token(iss="https://third.test"),
        server.token(iss=OTHER),
    )
    encrypted = f"{known.split('.')[0]}.a.b.c.d"
    for token in (unknown, asked, encrypted, known + ".x", known.rsplit(".", 1)[0], known[:-1] + "!"):
        with pytest.raises(TokenInvalid):
            await BearerAuthenticator(issuers).authenticate(bearer(token))
    assert other.proofs == []


async def test_jwt_is_introspected_by_its_own_issuer_where_that_takes_them(
    server: AuthorizationServer, other: AuthorizationServer
) -> None:
    third = AuthorizationServer(issuer="https://third.test")
    takers = [one.opaque_issuer({"takes_jwts": True}) for one in (third, other)]
    authenticator = BearerAuthenticator([server.issuer(), *takers])
    token = other.give(server.token(iss=OTHER))
    assert (await authenticator.authenticate(bearer(token))).issuer == OTHER
    assert third.proofs == []


async def test_next_issuer_is_asked_where_one_does_not_know_the_token_or_is_down(
    server: AuthorizationServer, other: AuthorizationServer
) -> None:
    other.give("t1")
    authenticator = BearerAuthenticator([server.opaque_issuer(), other.opaque_issuer()])
    assert (await authenticator.authenticate(bearer("t1"))).issuer == OTHER
    server.is_down = True
    authenticator = BearerAuthenticator([server.opaque_issuer(), other.opaque_issuer()])
    assert (await authenticator.authenticate(bearer("t1"))).issuer == OTHER
    with pytest.raises(KeysUnavailable):  # the one that is down might know it
        await authenticator.authenticate(bearer("t2"))


@pytest.mark.parametrize("token", ["two words", 'quoted"', "{}", "a=b", "", "\x7f"])
async def test_what_no_bearer_token_looks_like_is_shown_to_nobody(
    server: AuthorizationServer, token: str
) -> None:
    await refusal_of_any(server, token)
    assert server.asked == []


async def refusal_of_any(server: AuthorizationServer, token: str) -> None:
    with pytest.raises(TokenInvalid):
        await principal_of(server, token)
