"""What an app asks of the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636, SMART App Launch 2.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.issuer.clients import Client
from sandbox.issuer.directory import Directory
from sandbox.issuer.refusals import AuthorizationRefused, RedirectUnsafe

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
LAUNCH_PATIENT = "launch/patient"
UNSUPPORTED = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """A registered redirect URI, and the state that goes back with every answer."""

    redirect_uri: str
    state: str | None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that may be shown to the user. `scopes` are those that the client may have."""

    client_id: str
    audience: str
    address: ReturnAddress
    scopes: tuple[str, ...]
    challenge: str
    nonce: str | None
    login_hint: str
    is_silent: bool
    """`prompt=none`: no page may be shown (OpenID Connect Core section 3.1.2.1)."""


def read_address(form: Mapping[str, str], clients: Mapping[str, Client]) -> ReturnAddress:
    """Where answers go. Raises RedirectUnsafe unless the client has this very URI, letter by letter."""
    client = clients.get(form.get("client_id", ""))
    if client is None or not client.redirect_uris:
        raise RedirectUnsafe("No app is registered under this client_id.")
    if form.get("redirect_uri") not in client.redirect_uris:
        raise RedirectUnsafe("The redirect_uri is not one of those that the app has registered.")
    return ReturnAddress(form["redirect_uri"], form.get("state"))


def read_request(
    form: Mapping[str, str], clients: Mapping[str, Client], directory: Directory
) -> AuthorizationRequest:
    """The request of a form whose address is good. Raises AuthorizationRefused."""
    _check(form, directory)
    client = clients[form["client_id"]]
    if not (scopes := client.allowed(form.get("scope", "").split())):
        raise AuthorizationRefused("invalid_scope", "The app may have none of these scopes.")
    return AuthorizationRequest(
        client_id=form["client_id"],
        audience=client.audience,
        address=ReturnAddress(form["redirect_uri"], form["state"]),
        scopes=tuple(scopes),
        challenge=form["code_challenge"],
        nonce=form.get("nonce"),
        login_hint=form.get("login_hint", ""),
        is_silent=form.get("prompt") == "none",
    )


def needs_patient(scopes: tuple[str, ...] | list[str]) -> bool:
    """Whether scopes ask for, or mean nothing without, a patient in context."""
    return any(scope == LAUNCH_PATIENT or scope.startswith("patient/") for scope in scopes)


def _check(form: Mapping[str, str], directory: Directory) -> None:
    for name, error in UNSUPPORTED.items():
        if name in form:
            raise AuthorizationRefused(error)
    if "response_type" not in form:
        raise AuthorizationRefused("invalid_request", "response_type is missing.")
    if form["response_type"] != "code":
        raise AuthorizationRefused("unsupported_response_type")
    if form.get("response_mode", "query") != "query":
        raise AuthorizationRefused("invalid_request", "response_mode can only be query.")
    if "state" not in form:
        raise AuthorizationRefused("invalid_request", "state is missing: SMART demands one.")
    if not directory.is_gateway(form.get("aud", "")):
        raise AuthorizationRefused("invalid_request", f"aud must be {directory.base_url}.")
    if form.get("code_challenge_method") != "S256":
        raise AuthorizationRefused("invalid_request", "code_challenge_method must be S256.")
    if not CHALLENGE.fullmatch(form.get("code_challenge", "")):
        raise AuthorizationRefused("invalid_request", "code_challenge must be the S256 of a code_verifier.")
