"""An app as the authorization server meets it: it asks, a person picks, it gets tokens."""

import base64
import hashlib
import html
import json
import re
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from sandbox.issuer.app import build_issuer
from sandbox.issuer.clients import Client
from sandbox.issuer.keys import SigningKeys, ensure_keys
from sandbox.issuer.registration import APP_SCOPES
from sandbox.issuer.tokens import AUDIENCE

ISSUER = "http://127.0.0.1:9001"
EHR = "http://127.0.0.1:9002/fhir"
GATEWAY = "http://127.0.0.1:9003"
APP = "http://localhost:3000/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters~._"
CLIENTS = {
    "gateway": Client("a+ b:c", EHR, ("system/*.rs",)),
    "other-gateway": Client("other", EHR, ("system/*.rs",)),
    "patient-app": Client(None, AUDIENCE, APP_SCOPES, (APP, f"{APP}?of=mine")),
    "other-app": Client(None, AUDIENCE, APP_SCOPES, (APP,)),
}
SECRET = {"client_id": "gateway", "client_secret": "a+ b:c"}
ANNA = {
    "id": "person/anna",
    "name": "Anna <b>O'Neil</b>",
    "birth_date": "1968-02-28",
    "nhs_number": "9990439885",
    "record_url": f"{EHR}/Patient/1001",
}
BEN = {
    "id": "gp/Patient/7",
    "name": "Ben",
    "birth_date": "2001-01-01",
    "nhs_number": None,
    "record_url": "http://127.0.0.1:9004/A81001/fhir/Patient/7",
}
CLINICIAN = f"{EHR}/Practitioner/20012"
ALL = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"

Json = dict[str, Any]


@cache
def keys() -> SigningKeys:
    """One pair of keys for all tests: an RSA key takes its time."""
    with tempfile.TemporaryDirectory() as folder:
        return ensure_keys(Path(folder))


def write_directory(path: Path) -> None:
    """What a running sandbox says of itself, as far as the issuer reads it."""
    told = {
        "base_url": GATEWAY,
        "graphql_url": f"{GATEWAY}/graphql",
        "audience": AUDIENCE,
        "clinician": CLINICIAN,
        "patients": [ANNA, BEN],
    }
    path.write_text(json.dumps(told))


@dataclass
class Clock:
    """Time that a test moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class App:
    """A public app and its user, over one authorization server."""

    client: httpx.AsyncClient
    clock: Clock
    defaults: Json = field(
        default_factory=lambda: {
            "response_type": "code",
            "client_id": "patient-app",
            "redirect_uri": APP,
            "scope": ALL,
            "aud": GATEWAY,
            "state": "a state",
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
    )

    def asking(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None takes one away."""
        return {name: value for name, value in (self.defaults | changes).items() if value is not None}

    async def authorize(self, **changes: str | None) -> httpx.Response:
        return await self.client.get("/authorize", params=self.asking(**changes))

    async def submit(self, page: httpx.Response, **filled: Any) -> httpx.Response:
        """The page's form, as a browser sends it; `granted` and so on replace what the page has filled in."""
        return await self.client.post("/authorize", data=fields(page) | filled)

    async def code(self, patient: str = "person/anna", **changes: str | None) -> str:
        """A code, after the user has picked and allowed."""
        page = await self.authorize(**changes)
        return told(await self.submit(page, patient=patient, decision="allow"))["code"]

    async def redeem(self, code: str, **changes: str | None) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": "patient-app",
            "code": code,
            "redirect_uri": APP,
            "code_verifier": VERIFIER,
        }
        return await self.token(**(form | changes))

    async def refresh(self, refresh_token: str, **changes: str | None) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": "patient-app", "refresh_token": refresh_token}
        return await self.token(**(form | changes))

    async def token(self, **form: str | None) -> httpx.Response:
        sent = {name: value for name, value in form.items() if value is not None}
        return await self.client.post("/token", data=sent)

    async def launched(self, **changes: str | None) -> Json:
        """The token response of a whole launch."""
        answer = await self.redeem(await self.code(**changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def introspected(self, token: str, **changes: str) -> Json:
        """What the issuer tells the gateway of a token."""
        answer = await self.client.post("/introspect", data=SECRET | {"token": token} | changes)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def app(folder: Path) -> App:
    """An app over an authorization server whose sandbox runs."""
    directory, clock = folder / "sandbox.json", Clock()
    write_directory(directory)
    issuer = build_issuer(ISSUER, keys(), CLIENTS, directory, clock=clock)
    return App(httpx.AsyncClient(transport=httpx.ASGITransport(issuer), base_url=ISSUER), clock)


def challenge(verifier: str) -> str:
    """The S256 of a code verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def told(answer: httpx.Response) -> dict[str, str]:
    """What an answer tells the app by redirect."""
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def fields(page: httpx.Response) -> Json:
    """What a browser would send of a page's form: hidden fields, and what is ticked."""
    assert page.status_code in (200, 400)
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", page.text):
        parts = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if parts["type"] == "hidden" or tag.endswith(" checked>"):
            found.setdefault(parts["name"], []).append(html.unescape(parts["value"]))
    return dict(found)
