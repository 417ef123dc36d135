"""Credentials: renewed once for many, before they expire, once after a refusal, and never shown elsewhere."""

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from resolvers.upstreams.credential import Credential, NoCredential, StaticCredential
from resolvers.upstreams.credential_settings import (
    BasicCredentials,
    ClientCredentials,
    CredentialSettings,
    ForwardCredentials,
    MtlsCredentials,
    NoCredentials,
    PatientGrantCredentials,
    PrivateKeyJwtCredentials,
    StaticCredentials,
    TokenExchangeCredentials,
)
from resolvers.upstreams.credentials import CredentialParts, open_credential
from resolvers.upstreams.credentials_caller import ForwardCredential, TokenExchangeCredential
from resolvers.upstreams.credentials_grant import FixedGrants, RenewedGrants
from resolvers.upstreams.credentials_oauth import OAuthClientCredential
from resolvers.upstreams.errors import (
    GrantMissing,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.grant_store import MemoryGrantStore
from resolvers.upstreams.secret_source import SecretInvalid, SecretMissing, SecretSource
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.token_endpoint import TokenDoubtful
from resolvers.upstreams.transport import Request, Response
from resolvers.upstreams.wiring import Wiring
from tests.resolvers.upstreams.sources import call


class Issuer:
    """A token endpoint: T1, T2, ... each good for `lifetime` seconds."""

    def __init__(self, lifetime: float | None = 300, status: int = 200, body: bytes | None = None) -> None:
        self.lifetime = lifetime
        self.status = status
        self.body = body
        self.requests: list[Request] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, deadline: float) -> Response:
        self.requests.append(request)
        number = len(self.requests)
        await self.hold.wait()
        token: dict[str, Any] = {"access_token": f"T{number}", "token_type": "Bearer"}
        if self.lifetime is not None:
            token["expires_in"] = self.lifetime
        return Response(self.status, {}, json.dumps(token).encode() if self.body is None else self.body)


SETTINGS = ClientCredentials(
    kind="client_credentials", token_url="http://issuer.test/token", client_id="gateway"
)


def opened(
    settings: CredentialSettings, secrets: SecretSource, issuer: Issuer | None = None, source: str = "ehr"
) -> Credential:
    return open_credential(settings, CredentialParts(source, secrets, issuer or Issuer(), MemoryGrantStore()))


def oauth(issuer: Issuer, settings: ClientCredentials = SETTINGS) -> OAuthClientCredential:
    credential = opened(settings, {"upstream_ehr_client_secret": "s3cret"}, issuer)
    assert isinstance(credential, OAuthClientCredential)
    return credential


async def token(credential: Credential, seconds: float = 5.0) -> str:
    return (await credential.headers(None, call(seconds)))["Authorization"]


async def renewed(credential: Credential, used: Mapping[str, str]) -> bool:
    return await credential.renewed_after_rejection(used, None, call())


async def test_the_token_is_asked_for_as_the_standard_says() -> None:
    issuer = Issuer()
    settings = SETTINGS.model_copy(update={"scope": "system/*.rs"})
    assert await token(oauth(issuer, settings)) == "Bearer T1"
    (request,) = issuer.requests
    assert (request.method, request.url) == ("POST", "http://issuer.test/token")
    assert parse_qs((request.body or b"").decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["system/*.rs"],
    }
    kind, _, secret = request.headers["Authorization"].partition(" ")
    assert (kind, b64decode(secret)) == ("Basic", b"gateway:s3cret")
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


async def test_the_secret_may_go_in_the_form() -> None:
    issuer = Issuer()
    settings = SETTINGS.model_copy(update={"authentication": "client_secret_post"})
    await token(oauth(issuer, settings))
    form = parse_qs((issuer.requests[0].body or b"").decode())
    assert (form["client_id"], form["client_secret"]) == (["gateway"], ["s3cret"])
    assert "Authorization" not in issuer.requests[0].headers


async def test_many_callers_share_one_token() -> None:
    issuer = Issuer()
    credential = oauth(issuer)
    issuer.hold.clear()
    callers = [asyncio.create_task(token(credential)) for _ in range(30)]
    await asyncio.sleep(0)
    issuer.hold.set()
    assert set(await asyncio.gather(*callers)) == {"Bearer T1"}
    assert await token(credential) == "Bearer T1"
    assert len(issuer.requests) == 1


async def test_a_caller_who_leaves_does_not_take_the_token_from_the_others() -> None:
    issuer = Issuer()
    credential = oauth(issuer)
    issuer.hold.clear()
    leaving, staying = (asyncio.create_task(token(credential)) for _ in range(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.sleep(0)
    issuer.hold.set()
    assert await staying == "Bearer T1"
    assert len(issuer.requests) == 1


async def test_a_token_is_renewed_before_it_expires_and_nobody_waits_for_it() -> None:
    issuer = Issuer()
    credential = oauth(issuer)
    await token(credential)
    credential.token._renew_at = time.monotonic() - 1
    issuer.hold.clear()
    assert [await token(credential) for _ in range(5)] == ["Bearer T1"] * 5
    issuer.hold.set()
    await asyncio.sleep(0.01)
    assert await token(credential) == "Bearer T2"
    assert len(issuer.requests) == 2


async def test_an_expired_token_is_not_sent() -> None:
    issuer = Issuer()
    credential = oauth(issuer)
    await token(credential)
    credential.token._expires_at = time.monotonic() - 1
    assert await token(credential) == "Bearer T2"


@pytest.mark.parametrize("lifetime", [2, 60, 300, 3600, 0.5])
async def test_renewal_lies_before_expiry_whatever_the_lifetime(lifetime: float) -> None:
    issuer = Issuer(lifetime)
    credential = oauth(issuer)
    before = time.monotonic()
    await token(credential)
    assert before < credential.token._renew_at < credential.token._expires_at < before + lifetime + 1


@pytest.mark.parametrize("lifetime", [None, 0, -5])
async def test_a_token_without_a_lifetime_serves_until_it_is_refused(lifetime: float | None) -> None:
    issuer = Issuer(lifetime)
    credential = oauth(issuer)
    assert [await token(credential) for _ in range(3)] == ["Bearer T1"] * 3


async def test_many_refusals_of_one_token_lead_to_one_other() -> None:
    issuer = Issuer()
    credential = oauth(issuer)
    used = await credential.headers(None, call())
    assert await renewed(credential, used)
    assert await token(credential) == "Bearer T2"
    assert await renewed(credential, used)
    assert await token(credential) == "Bearer T2"
    assert len(issuer.requests) == 2


async def test_a_source_at_odds_with_its_issuer_does_not_hammer_it() -> None:
    issuer = Issuer()
    credential = oauth(issuer)
    renewals = 0
    for _ in range(10):
        used = await credential.headers(None, call())
        renewals += await renewed(credential, used)
    assert renewals == 1
    assert len(issuer.requests) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error":"invalid_client"}', UpstreamRejected),
        (400, b'{"error":"invalid_scope","error_description":"x"}', UpstreamRejected),
        (403, b"<html>no</html>", UpstreamRejected),
        (429, b"slow down", UpstreamThrottled),
        (500, b"oops", TokenDoubtful),
        (503, b"{}", UpstreamUnavailable),
        (200, b"<html>hello</html>", UpstreamInvalidResponse),
        (200, b"[]", UpstreamInvalidResponse),
        (200, b"{}", UpstreamInvalidResponse),
        (200, b'{"access_token":"T","token_type":"mac"}', UpstreamInvalidResponse),
        (200, b'{"access_token":5,"token_type":"Bearer"}', UpstreamInvalidResponse),
        (200, b'{"access_token":"T\\r\\nX-A: 1","token_type":"Bearer"}', UpstreamInvalidResponse),
        (200, b'{"access_token":"T","token_type":"Bearer","expires_in":"soon"}', UpstreamInvalidResponse),
        (302, b"", UpstreamInvalidResponse),
    ],
)
async def test_an_issuer_that_gives_no_token_is_told(
    status: int, body: bytes, kind: type[UpstreamError]
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await token(oauth(Issuer(status=status, body=body)))
    assert type(caught.value) is kind
    assert caught.value.source == "ehr"
    assert "s3cret" not in f"{caught.value} {caught.value.detail}"


async def test_an_issuer_that_comes_back_is_asked_again() -> None:
    issuer = Issuer(status=500, body=b"")
    credential = oauth(issuer)
    with pytest.raises(UpstreamUnavailable):
        await token(credential)
    issuer.status, issuer.body = 200, None
    assert await token(credential) == "Bearer T2"


async def test_waiting_for_a_token_ends_at_the_callers_deadline() -> None:
    issuer = Issuer()
    issuer.hold.clear()
    credential = oauth(issuer)
    with pytest.raises(UpstreamTimeout):
        await token(credential, 0.05)
    await credential.close()


# ------------------------------------------------------------ kinds

GRANTS = json.dumps({"42": "token-42", "7": {"access_token": "token-7"}})
RENEWABLE = PatientGrantCredentials(kind="patient_grant", token_url="http://issuer.test/token", client_id="g")
EXCHANGE = TokenExchangeCredentials(
    kind="token_exchange", token_url="http://issuer.test/token", client_id="gateway"
)
SECRETS = {
    "upstream_ehr_token": "abc",
    "upstream_ehr_password": "pass:w\u00f6rd",
    "upstream_ehr_client_secret": "s3cret",
    "upstream_ehr_grants": GRANTS,
    "grant_key": "ab" * 32,
}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (NoCredentials(), NoCredential),
        (StaticCredentials(kind="static"), StaticCredential),
        (BasicCredentials(kind="basic", user="gateway"), StaticCredential),
        (SETTINGS, OAuthClientCredential),
        (MtlsCredentials(kind="mtls"), NoCredential),
        (
            MtlsCredentials(kind="mtls", token_url="https://issuer.test/token", client_id="g"),
            OAuthClientCredential,
        ),
        (EXCHANGE, TokenExchangeCredential),
        (ForwardCredentials(kind="forward", trusted_issuer="https://issuer.test"), ForwardCredential),
        (PatientGrantCredentials(kind="patient_grant"), FixedGrants),
        (RENEWABLE, RenewedGrants),
    ],
)
def test_every_kind_of_the_settings_has_its_credential(settings: Any, kind: type[Credential]) -> None:
    assert type(opened(settings, SECRETS)) is kind


async def test_a_static_secret_goes_into_its_header() -> None:
    settings = StaticCredentials(kind="static", header="X-API-Key", prefix="", secret="own")
    credential = opened(settings, {"own": "xyz"})
    assert await credential.headers("anybody", call()) == {"X-API-Key": "xyz"}
    assert not await renewed(credential, {})


async def test_a_user_and_a_password_go_out_as_basic() -> None:
    credential = opened(BasicCredentials(kind="basic", user="gateway"), SECRETS)
    kind, _, pair = (await token(credential)).partition(" ")
    assert (kind, b64decode(pair).decode()) == ("Basic", "gateway:pass:w\u00f6rd")


async def test_an_api_key_goes_out_as_the_user_of_basic() -> None:
    credential = opened(BasicCredentials(kind="basic", secret="the_key"), {"the_key": "k-uk1"})
    kind, _, pair = (await token(credential)).partition(" ")
    assert (kind, b64decode(pair).decode()) == ("Basic", "k-uk1:")


@pytest.mark.parametrize("user", ["a:b", "", "a\nb"])
def test_a_user_that_basic_cannot_say_is_refused(user: str) -> None:
    with pytest.raises(ValidationError):
        BasicCredentials(kind="basic", user=user)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (StaticCredentials(kind="static"), "upstream_ehr_token"),
        (BasicCredentials(kind="basic", user="u"), "upstream_ehr_password"),
        (SETTINGS, "upstream_ehr_client_secret"),
        (EXCHANGE, "upstream_ehr_client_secret"),
        (
            PrivateKeyJwtCredentials(kind="private_key_jwt", token_url="http://x.test/t", client_id="g"),
            "signing_keys",
        ),
        (PatientGrantCredentials(kind="patient_grant"), "upstream_ehr_grants"),
        (PatientGrantCredentials(kind="patient_grant", grants_secret="other"), "other"),
    ],
)
def test_a_missing_secret_is_named(settings: Any, name: str) -> None:
    with pytest.raises(SecretMissing, match=name):
        opened(settings, {})


@pytest.mark.parametrize(("key", "told"), [(None, "missing"), ("ab", "32 bytes"), ("x" * 64, "hexadecimal")])
def test_grants_that_are_renewed_need_a_key_to_seal_them(key: str | None, told: str) -> None:
    secrets = {name: text for name, text in (SECRETS | {"grant_key": key}).items() if text is not None}
    with pytest.raises((SecretMissing, SecretInvalid), match=f"grant_key.*{told}"):
        opened(RENEWABLE, secrets)


@pytest.mark.parametrize("secret", ["a\nb", "a\r\nX-A: 1", "a\0", "caf\u00e9"])
def test_a_secret_that_no_header_can_hold_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(SecretInvalid, match="upstream_ehr_token"):
        opened(StaticCredentials(kind="static"), {"upstream_ehr_token": secret})
    place = {"base_url": "http://ehr.test", "secret_headers": {"X-Key": "practice_key"}}
    table = UpstreamSettings.model_validate({"name": "ehr", "kind": "fhir", "locations": [place]})
    with pytest.raises(SecretInvalid, match="practice_key"):
        Wiring({"practice_key": secret}).locations(table)


@pytest.mark.parametrize(
    "text",
    ["nonsense", "[]", '{"1":2}', '"x"', '{"1":"a\\nb"}', '{"1":{}}', '{"1":""}', '{"1":{"token":"x"}}'],
)
def test_grants_that_are_none_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SecretInvalid, match="upstream_ehr_grants") as refused:
        opened(PatientGrantCredentials(kind="patient_grant"), {"upstream_ehr_grants": text})
    assert text not in str(refused.value)


@pytest.mark.parametrize("kind", ["patient_grant", "mtls"])
@pytest.mark.parametrize("half", [{"token_url": "https://x.test/t"}, {"client_id": "g"}])
def test_a_token_endpoint_and_a_client_come_together(kind: str, half: Any) -> None:
    table = {"name": "w", "kind": "fhir", "base_url": "https://w.test", "credentials": {"kind": kind, **half}}
    with pytest.raises(ValidationError, match="client_id"):
        UpstreamSettings.model_validate(table)


async def test_every_user_has_a_token_of_their_own() -> None:
    credential = opened(
        PatientGrantCredentials(kind="patient_grant"), {"upstream_w_grants": GRANTS}, source="w"
    )
    assert isinstance(credential, FixedGrants)
    assert credential.accounts == {"42", "7"}
    assert await credential.headers("42", call()) == {"Authorization": "Bearer token-42"}
    assert await credential.headers("7", call()) == {"Authorization": "Bearer token-7"}
    assert await credential.headers(None, call()) == {}
    with pytest.raises(GrantMissing):
        await credential.headers("43", call())


async def test_grants_are_read_again_but_not_all_the_time() -> None:
    secrets = {"upstream_w_grants": GRANTS}
    credential = opened(PatientGrantCredentials(kind="patient_grant"), secrets, source="w")
    assert isinstance(credential, FixedGrants)
    used = await credential.headers("42", call())
    secrets["upstream_w_grants"] = json.dumps({"42": "renewed"})
    assert not await credential.renewed_after_rejection(used, "42", call())
    credential._handed_in._read_at -= 60
    assert await credential.renewed_after_rejection(used, "42", call())
    assert await credential.headers("42", call()) == {"Authorization": "Bearer renewed"}
    assert credential.accounts == {"42"}
    for broken in ({}, {"upstream_w_grants": "nonsense"}):
        credential._handed_in._read_at -= 60
        secrets.clear()
        secrets.update(broken)
        assert await credential.headers("42", call()) == {"Authorization": "Bearer renewed"}
