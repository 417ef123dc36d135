"""npm oidc-provider as somebody else's OpenID provider: started, and asked for tokens as its clients do."""

import base64
import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.running import running, until

AUDIENCE, OTHER_AUDIENCE = "https://gateway.example", "https://elsewhere.example"
LABORATORY = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
SCOPES = (
    *("system/*.rs", "patient/*.rs", "user/*.rs", "launch/patient"),
    *("system/Patient.rs", "system/Observation.rs", f"system/Observation.rs?{LABORATORY}"),
)
REDIRECT_URI = "https://app.example/callback"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client's certificate, self-signed."""

    of: x509.Certificate

    @property
    def pem(self) -> str:
        """URL-encoded, as proxies hand it to the provider."""
        return quote(self.of.public_bytes(Encoding.PEM).decode())

    @property
    def client_cert(self) -> str:
        """As proxies hand it to the gateway (RFC 9440)."""
        return f":{base64.b64encode(self.of.public_bytes(Encoding.DER)).decode()}:"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider, and the key of its clients."""

    origin: str
    key: ECKey
    client: httpx.Client

    def token(
        self,
        scope: str = "system/*.rs",
        client_id: str = "backend",
        audience: str = AUDIENCE,
        certificate: Certificate | None = None,
    ) -> str:
        """An access token by client credentials, proved by `private_key_jwt` with ES384."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": audience}
        headers = {"X-Client-Cert": certificate.pem} if certificate else {}
        answer = self.client.post(f"{self.origin}/token", data=form | self._proof(client_id), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["scope"] == scope
        return str(answer.json()["access_token"])

    def revoke(self, token: str, client_id: str = "backend") -> None:
        """RFC 7009."""
        form = {"token": token} | self._proof(client_id)
        self.client.post(f"{self.origin}/token/revocation", data=form).raise_for_status()

    def publish(self, *kids: str, max_age_s: int) -> None:
        """Rotates the keys: tokens are signed with the first from now on, the others are still published."""
        body = {"keys": kids, "max_age_s": max_age_s}
        self.client.put(f"{self.origin}/_peer/keys", json=body).raise_for_status()

    def launched(self, patient: str) -> Json:
        """The token response of a patient who has logged in and consented, in a browser."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "client_id": "app",
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid launch/patient patient/*.rs",
            "resource": AUDIENCE,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        with httpx.Client(trust_env=False, timeout=30.0) as browser:
            code = self._consented(browser, asked, patient)
        form = {
            "grant_type": "authorization_code",
            "client_id": "app",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "resource": AUDIENCE,
            "code_verifier": verifier,
        }
        return dict(self.client.post(f"{self.origin}/token", data=form).raise_for_status().json())

    def _consented(self, browser: httpx.Client, asked: Mapping[str, str], patient: str) -> str:
        """The code: every page is answered by whom logs in, then by consent."""
        answer = browser.get(f"{self.origin}/auth", params=asked)
        forms = iter(({"prompt": "login", "login": patient}, {"prompt": "consent"}))
        while not (url := answer.headers["location"]).startswith(REDIRECT_URI):
            place = urljoin(self.origin, url)
            is_page = urlsplit(place).path.startswith("/interaction/")
            answer = browser.post(place, data=next(forms)) if is_page else browser.get(place)
        return dict(parse_qsl(urlsplit(url).query))["code"]

    def _proof(self, client_id: str) -> Json:
        now = int(time.time())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": self.origin,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 60,
        }
        assertion = jwt.encode({"alg": "ES384", "kid": self.key.kid}, claims, self.key, ["ES384"])
        return {
            "client_id": client_id,
            "client_assertion_type": ASSERTION,
            "client_assertion": assertion,
        }


@dataclass(frozen=True, slots=True)
class Providers:
    """Both: access tokens of one are JWTs, of the other opaque; `secret` is the gateway's there."""

    jwt: Provider
    opaque: Provider
    secret: str = field(repr=False)


@contextmanager
def providers(node: str, script: Path, folder: Path, client: httpx.Client) -> Iterator[Providers]:
    """The providers on free ports."""
    key = ECKey.generate_key("P-384", {"kid": "clients", "alg": "ES384", "use": "sig"})
    secret = secrets.token_urlsafe(32)
    settings = {
        "audiences": [AUDIENCE, OTHER_AUDIENCE],
        "scopes": SCOPES,
        "key": key.as_dict(private=False),
        "secret": secret,
    }
    (folder / "providers.json").write_text(json.dumps(settings))
    log = folder / "providers.log"
    with running([node, str(script), str(folder / "providers.json")], log) as process:
        until(lambda: '"opaque"' in log.read_text().rpartition("\n")[0], process, log)
        told = next(line for line in log.read_text().splitlines() if '"opaque"' in line)
        origins: dict[str, str] = json.loads(told)
        opened = {name: Provider(origin, key, client) for name, origin in origins.items()}
        yield Providers(**opened, secret=secret)


def certificate(name: str) -> Certificate:
    """A new certificate of its own key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
    )
    return Certificate(built.sign(key, SHA256()))
