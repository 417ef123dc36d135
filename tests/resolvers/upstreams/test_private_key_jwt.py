"""`private_key_jwt` (RFC 7523, SMART Backend Services): what is signed, by which key, and for how long it is
good."""

import asyncio
import time

import pytest
from joserfc.jwk import ECKey, KeySet, RSAKey

from gateway.keys import SigningKeys
from resolvers.upstreams.credential import Credential
from resolvers.upstreams.credential_settings import PrivateKeyJwtCredentials
from resolvers.upstreams.credentials import CredentialParts, open_credential
from resolvers.upstreams.errors import UpstreamRejected
from resolvers.upstreams.grant_store import MemoryGrantStore
from resolvers.upstreams.secret_source import SecretMissing
from tests.resolvers.upstreams.issuing import TOKEN_URL, BackendServices
from tests.resolvers.upstreams.sources import call

EC, NEXT = (ECKey.generate_key("P-384", {"kid": kid}) for kid in ("e1", "e2"))
RSA = RSAKey.generate_key(2048, {"kid": "r1"})
KEYS = SigningKeys([EC, RSA, NEXT])


def server(algorithm: str = "ES384", keys: SigningKeys = KEYS) -> BackendServices:
    return BackendServices(keys=KeySet.import_key_set(keys.published()), algorithm=algorithm)


def opened(issuer: BackendServices, keys: SigningKeys | None = KEYS) -> Credential:
    settings = PrivateKeyJwtCredentials(
        kind="private_key_jwt",
        token_url=TOKEN_URL,
        client_id="gateway",
        scope="system/*.rs",
        algorithm=issuer.algorithm,  # type: ignore[arg-type]
    )
    return open_credential(settings, CredentialParts("ehr", {}, issuer.transport(), MemoryGrantStore(), keys))


@pytest.mark.parametrize(("algorithm", "kid"), [("ES384", "e1"), ("RS384", "r1")])
async def test_the_gateway_proves_itself_by_its_first_key_of_the_algorithm(algorithm: str, kid: str) -> None:
    issuer = server(algorithm)
    headers = await opened(issuer).headers(None, call())
    assert headers == {"Authorization": "Bearer T1"}
    (said,), (form,) = issuer.claims, issuer.forms
    assert (said["alg"], said["kid"], said["typ"]) == (algorithm, kid, "JWT")
    assert (said["iss"], said["sub"], said["aud"]) == ("gateway", "gateway", TOKEN_URL)
    assert 0 < said["exp"] - said["iat"] <= 300
    assert abs(said["iat"] - time.time()) < 5
    assert set(form) == {"grant_type", "scope", "client_assertion_type", "client_assertion"}
    assert form["grant_type"] == "client_credentials"
    assert "authorization" not in issuer.headers[0]


async def test_every_token_is_asked_for_with_a_proof_of_its_own() -> None:
    issuer = server()
    credential = opened(issuer)
    for number in range(1, 4):
        headers = await credential.headers(None, call())
        assert headers == {"Authorization": f"Bearer T{number}"}
        credential.token._rejected_at = -60.0  # type: ignore[attr-defined]
        assert await credential.renewed_after_rejection(headers, None, call())
    assert len({said["jti"] for said in issuer.claims}) == 3


async def test_fifty_callers_lead_to_one_proof() -> None:
    issuer = server()
    issuer.hold.clear()
    credential = opened(issuer)
    callers = [asyncio.create_task(credential.headers(None, call())) for _ in range(50)]
    await asyncio.sleep(0.02)
    issuer.hold.set()
    assert {one["Authorization"] for one in await asyncio.gather(*callers)} == {"Bearer T1"}
    assert len(issuer.forms) == 1


async def test_a_proof_that_is_not_taken_is_the_sources_refusal() -> None:
    issuer = server()
    issuer.seen = _Everything()
    with pytest.raises(UpstreamRejected) as told:
        await opened(issuer).headers(None, call())
    assert told.value.detail == "invalid_client"


class _Everything(set[str]):
    def __contains__(self, item: object) -> bool:
        return True


@pytest.mark.parametrize("keys", [None, SigningKeys(), SigningKeys([RSA])])
def test_without_a_key_of_the_algorithm_there_is_no_start(keys: SigningKeys | None) -> None:
    with pytest.raises(SecretMissing, match=r"ES384.*signing_keys"):
        opened(server(), keys)
