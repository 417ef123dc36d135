"""Dynamic registration of public apps (RFC 7591), so that a newcomer's app gets its own redirect URI in."""

import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.issuer.clients import Client
from sandbox.issuer.refusals import NOT_STORED, RequestRefused

APP_SCOPES = (
    *("launch/patient", "patient/*", "user/*"),
    *("openid", "fhirUser", "profile", "online_access", "offline_access"),
)
"""What any registered app may ask a user for."""

APPS_KEPT = 1_000
PUBLIC = "none"
"""The `token_endpoint_auth_method` of an app that can keep no secret."""


class Asked(msgspec.Struct, frozen=True):
    """What an app says of itself (RFC 7591 section 2); what is not understood is left out."""

    redirect_uris: tuple[str, ...]
    client_name: str | None = None
    token_endpoint_auth_method: str = PUBLIC


class Clients(Mapping[str, Client]):
    """The clients of the state folder, and the apps that registered themselves since the start."""

    def __init__(self, registered: Mapping[str, Client]) -> None:
        self._fixed = dict(registered)
        self._apps: OrderedDict[str, Client] = OrderedDict()

    def __getitem__(self, client_id: str) -> Client:
        return self._fixed[client_id] if client_id in self._fixed else self._apps[client_id]

    def __iter__(self) -> Iterator[str]:
        yield from (*self._fixed, *self._apps)

    def __len__(self) -> int:
        return len(self._fixed) + len(self._apps)

    def add(self, client: Client) -> str:
        """Keeps an app and gives its client id; the oldest goes where there are too many."""
        client_id = f"app-{uuid.uuid4()}"
        self._apps[client_id] = client
        if len(self._apps) > APPS_KEPT:
            self._apps.popitem(last=False)
        return client_id


@dataclass(frozen=True, slots=True)
class Registration:
    """`/register`. `audience` is that of the apps' tokens."""

    clients: Clients
    audience: str

    async def register(self, request: Request) -> Response:
        """A client id for a public app (RFC 7591 section 3.2). Raises RequestRefused."""
        try:
            asked = msgspec.json.decode(await request.body(), type=Asked)
        except msgspec.DecodeError as problem:
            raise RequestRefused("invalid_client_metadata", str(problem)) from problem
        if asked.token_endpoint_auth_method != PUBLIC:
            raise RequestRefused("invalid_client_metadata", "token_endpoint_auth_method must be none.")
        if not asked.redirect_uris or not all(map(_is_safe, asked.redirect_uris)):
            raise RequestRefused("invalid_redirect_uri", "https, or http to this machine, and no fragment.")
        client_id = self.clients.add(Client(None, self.audience, APP_SCOPES, asked.redirect_uris))
        return JSONResponse(_registered(client_id, asked), 201, NOT_STORED)


def _registered(client_id: str, asked: Asked) -> dict[str, object]:
    answer: dict[str, object] = {
        "client_id": client_id,
        "redirect_uris": asked.redirect_uris,
        "token_endpoint_auth_method": PUBLIC,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": " ".join(APP_SCOPES),
    }
    return answer | ({"client_name": asked.client_name} if asked.client_name else {})


def _is_safe(uri: str) -> bool:
    """Whether codes may be sent there (RFC 9700 section 2.6: http on the loopback alone)."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    if not host or "#" in uri or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
