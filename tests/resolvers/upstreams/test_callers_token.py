"""The caller's own token: forwarded to who trusts its issuer, exchanged once for many calls, and shown to
nobody else."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, KeySet
from msgspec.structs import replace
from starlette.responses import Response as Answer

from gateway.keys import SigningKeys
from permissions.principal import Principal
from resolvers.outcome import SourceStatus
from resolvers.upstreams.caller import CallerToken, caller_token
from resolvers.upstreams.credential_settings import TokenExchangeCredentials
from resolvers.upstreams.credentials import CredentialParts, open_credential
from resolvers.upstreams.credentials_caller import ForwardCredential, TokenExchangeCredential
from resolvers.upstreams.errors import UpstreamDenied, UpstreamRejected
from resolvers.upstreams.exchange import own_call
from resolvers.upstreams.grant_store import MemoryGrantStore
from resolvers.upstreams.upstream import Call
from tests.resolvers.upstreams.issuing import (
    EXCHANGE,
    TOKEN_URL,
    BackendServices,
    TokenServer,
    basic,
    refused,
)
from tests.resolvers.upstreams.sources import call

ISSUER = "https://login.test"
OTHER = "https://elsewhere.test"


def asked_by(
    token: str | None, issuer: str = ISSUER, lifetime_s: float = 600.0, seconds: float = 5.0
) -> Call:
    principal = Principal(
        issuer=issuer, client="app", subject="s", scopes=(), expires_at=time.time() + lifetime_s
    )
    return replace(call(seconds), principal=principal, token=None if token is None else CallerToken(token))


# ------------------------------------------------------------ forward


async def test_the_callers_token_goes_to_a_source_that_trusts_its_issuer() -> None:
    credential = ForwardCredential("ehr", ISSUER)
    assert await credential.headers(None, asked_by("abc")) == {"Authorization": "Bearer abc"}
    assert not await credential.renewed_after_rejection({}, None, asked_by("abc"))


@pytest.mark.parametrize(("token", "issuer"), [("abc", OTHER), ("abc", ISSUER + "/"), (None, ISSUER)])
async def test_no_other_callers_token_goes_there(token: str | None, issuer: str) -> None:
    with pytest.raises(UpstreamDenied) as told:
        await ForwardCredential("ehr", ISSUER).headers(None, asked_by(token, issuer))
    assert told.value.status is SourceStatus.DENIED
    assert "abc" not in f"{told.value} {told.value.detail}"


async def test_what_the_gateway_asks_for_itself_goes_out_bare() -> None:
    assert await ForwardCredential("ehr", ISSUER).headers(None, own_call(1.0)) == {}


# ------------------------------------------------------------ exchange


def exchanging(
    server: TokenServer, keys: SigningKeys | None = None, **settings: Any
) -> TokenExchangeCredential:
    table = TokenExchangeCredentials(
        **{"kind": "token_exchange", "token_url": TOKEN_URL, "client_id": "gateway", **settings}
    )
    secrets = {"upstream_ehr_client_secret": "s3cret"}
    parts = CredentialParts("ehr", secrets, server.transport(), MemoryGrantStore(), keys)
    credential = open_credential(table, parts)
    assert isinstance(credential, TokenExchangeCredential)
    return credential


async def tokens(credential: TokenExchangeCredential, calls: Sequence[Call]) -> list[str]:
    found = await asyncio.gather(*(credential.headers(None, one) for one in calls))
    return [one["Authorization"].removeprefix("Bearer ") for one in found]


async def test_a_token_is_exchanged_as_the_standard_says() -> None:
    server = TokenServer()
    credential = exchanging(server, scope="patient/*.rs", audience="ehr", resource="https://ehr.test")
    assert await tokens(credential, [asked_by("abc")]) == ["T1"]
    (form,) = server.forms
    kind = "urn:ietf:params:oauth:token-type:access_token"
    assert form == {
        "grant_type": EXCHANGE,
        "subject_token": "abc",
        "subject_token_type": kind,
        "requested_token_type": kind,
        "audience": "ehr",
        "resource": "https://ehr.test",
        "scope": "patient/*.rs",
    }
    assert basic(server.headers[0]) == ("gateway", "s3cret")


async def test_the_gateway_may_prove_itself_by_its_key() -> None:
    keys = SigningKeys([ECKey.generate_key("P-384", {"kid": "e1"})])
    server = BackendServices(keys=KeySet.import_key_set(keys.published()))
    credential = exchanging(server, keys, authentication="private_key_jwt")
    assert await tokens(credential, [asked_by("abc")]) == ["T1"]
    assert server.forms[0]["subject_token"] == "abc"


async def test_fifty_calls_of_two_callers_lead_to_two_exchanges() -> None:
    server = TokenServer()
    server.hold.clear()
    credential = exchanging(server)
    callers = ["abc", "xyz"] * 25
    asking = asyncio.create_task(tokens(credential, [asked_by(one) for one in callers]))
    await asyncio.sleep(0.02)
    server.hold.set()
    found = await asking
    by_caller = dict(zip(callers, found, strict=True))
    assert set(by_caller.values()) == {"T1", "T2"}
    assert [by_caller[one] for one in callers] == found, "nobody has another caller's token"
    assert sorted(form["subject_token"] for form in server.forms) == ["abc", "xyz"]
    assert await tokens(credential, [asked_by("abc")]) == [by_caller["abc"]]


@pytest.mark.parametrize("lifetime_s", [None, 3600.0])
async def test_what_was_exchanged_is_used_no_longer_than_what_it_was_exchanged_for(
    lifetime_s: float | None,
) -> None:
    server = TokenServer(lifetime_s=lifetime_s)
    credential = exchanging(server)
    await tokens(credential, [asked_by("abc", lifetime_s=20)])
    (kept,) = credential._kept.values()
    assert kept._expires_at < time.monotonic() + 20


async def test_what_was_exchanged_is_renewed_before_it_expires_and_once_after_a_refusal() -> None:
    server = TokenServer()
    credential = exchanging(server)
    one = asked_by("abc")
    await tokens(credential, [one])
    (kept,) = credential._kept.values()
    kept._renew_at = time.monotonic() - 1
    assert await tokens(credential, [one] * 3) == ["T1"] * 3
    await asyncio.sleep(0.02)
    assert await tokens(credential, [one]) == ["T2"]
    used = await credential.headers(None, one)
    assert await credential.renewed_after_rejection(used, None, one)
    assert await tokens(credential, [one]) == ["T3"]
    assert not await credential.renewed_after_rejection(await credential.headers(None, one), None, one)
    assert not await credential.renewed_after_rejection(used, None, asked_by("another"))


async def test_a_callers_token_that_is_not_exchanged_is_a_refusal_and_not_shown() -> None:
    server = TokenServer(answers=[refused("invalid_request"), refused("abc-was-no-good")])
    credential = exchanging(server)
    for _ in range(2):
        with pytest.raises(UpstreamRejected) as told:
            await tokens(credential, [asked_by("abc")])
        assert "abc" not in f"{told.value} {told.value.detail}"
    assert await tokens(credential, [asked_by("abc")]) == ["T3"]


async def test_a_redirect_of_the_token_endpoint_is_not_followed() -> None:
    server = TokenServer(answers=[Answer(status_code=307, headers={"Location": "https://evil.test/token"})])
    with pytest.raises(Exception, match="gave no token"):
        await tokens(exchanging(server), [asked_by("abc")])
    assert len(server.forms) == 1


async def test_only_callers_of_a_trusted_issuer_are_exchanged_where_one_is_named() -> None:
    server = TokenServer()
    credential = exchanging(server, trusted_issuer=ISSUER)
    with pytest.raises(UpstreamDenied):
        await tokens(credential, [asked_by("abc", OTHER)])
    assert server.forms == []
    assert await tokens(credential, [asked_by("abc")]) == ["T1"]
    assert await credential.headers(None, own_call(1.0)) == {}
    with pytest.raises(UpstreamDenied):
        await tokens(exchanging(server), [asked_by(None)])


async def test_only_so_many_callers_are_remembered_the_latest() -> None:
    server = TokenServer()
    settings = TokenExchangeCredentials(kind="token_exchange", token_url=TOKEN_URL, client_id="gateway")
    credential = TokenExchangeCredential(exchanging(server)._endpoint, settings, kept_max=2)
    for name in ("a", "b", "a", "c"):
        await tokens(credential, [asked_by(name)])
    assert len(credential._kept) == 2
    assert await tokens(credential, [asked_by("a")]) == ["T1"]
    assert await tokens(credential, [asked_by("b")]) == ["T4"]


# ------------------------------------------------------------ the token itself


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer a\nb", None),
        ("Bearer caf\u00e9", None),
        ("", None),
        (None, None),
    ],
)
def test_the_token_of_a_header(header: str | None, value: str | None) -> None:
    found = caller_token(header)
    assert (None if found is None else found.value) == value


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=9))
def test_a_call_shows_no_token_when_it_is_printed(text: str) -> None:
    text = f"~{text}"  # which no name in what is printed begins with
    one = asked_by(text)
    assert text not in repr(one)
    assert text not in str(one.token)
    assert one.token is not None
    assert one.token.digest == CallerToken(text).digest != CallerToken(text + "x").digest
