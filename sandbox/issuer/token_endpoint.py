"""The token endpoint: client credentials, authorization codes, refresh tokens (RFC 6749 section 3.2)."""

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.issuer.clients import Client, authenticate
from sandbox.issuer.forms import read_form
from sandbox.issuer.keys import SigningKeys
from sandbox.issuer.ledger import Authorization, Ledger
from sandbox.issuer.refusals import NOT_STORED, ClientUnproven, RequestRefused
from sandbox.issuer.tokens import Grant, mint, mint_id_token

CLIENT_TTL_S = 300
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """`/token`. Confidential clients prove their secret, public ones what they were given."""

    issuer: str
    keys: SigningKeys
    clients: Mapping[str, Client]
    ledger: Ledger

    async def token(self, request: Request) -> Response:
        """Tokens for what the form shows. Raises RequestRefused."""
        form = self._named(await read_form(request))
        proved = authenticate(self.clients, request.headers.get("authorization"), form)
        if proved is None:
            raise ClientUnproven
        grants: dict[str, Callable[[str, Client, Form], dict[str, Any]]] = {
            "client_credentials": self._client_credentials,
            "authorization_code": self._authorization_code,
            "refresh_token": self._refresh_token,
        }
        if (answer := grants.get(form.get("grant_type", ""))) is None:
            raise RequestRefused("unsupported_grant_type")
        return JSONResponse(answer(*proved, form), headers=NOT_STORED)

    def issued(self, grant: Grant, audience: str) -> dict[str, Any]:
        """The answer with an access token for a grant (RFC 6749 section 5.1)."""
        return {
            "access_token": mint(self.keys.access, self.issuer, audience, grant),
            "token_type": "Bearer",
            "expires_in": grant.ttl_s,
            "scope": grant.scope,
        }

    def _named(self, form: dict[str, str]) -> dict[str, str]:
        """The form with a client id. A public app may leave it out with a refresh token (RFC 6749 section 6),
        and some do: the token tells whose it is."""
        holder = self.ledger.holder(form.get("refresh_token", ""))
        return {"client_id": holder, **form} if holder is not None else form

    def _client_credentials(self, client_id: str, client: Client, form: Form) -> dict[str, Any]:
        """RFC 6749 section 4.4. `resource` (RFC 8707) may name the client's own audience, no other."""
        if client.secret is None:
            raise RequestRefused("unauthorized_client", "A public client has no credentials.")
        if form.get("resource", client.audience) != client.audience:
            raise RequestRefused("invalid_target")
        if not (scope := client.granted(form.get("scope", ""))):
            raise RequestRefused("invalid_scope")
        return self.issued(Grant(scope=scope, client=client_id, ttl_s=CLIENT_TTL_S), client.audience)

    def _authorization_code(self, client_id: str, _: Client, form: Form) -> dict[str, Any]:
        code = self.ledger.redeem_code(form.get("code", ""))
        if (
            code is None
            or code.authorization.grant.client != client_id
            or code.redirect_uri != form.get("redirect_uri")
            or not _proves(form.get("code_verifier", ""), code.challenge)
        ):
            raise RequestRefused("invalid_grant")
        return self._of(code.authorization, code.authorization.grant)

    def _refresh_token(self, client_id: str, _: Client, form: Form) -> dict[str, Any]:
        """A new refresh token each time; `scope` may ask for less (RFC 6749 section 6)."""
        authorization = self.ledger.spend_refresh(form.get("refresh_token", ""), client_id)
        if authorization is None:
            raise RequestRefused("invalid_grant")
        had = authorization.grant.scope.split()
        asked = form.get("scope", authorization.grant.scope).split()
        if not set(asked) <= set(had):
            raise RequestRefused("invalid_scope", "More than the user granted.")
        narrowed = msgspec.structs.replace(authorization.grant, scope=" ".join(asked))
        return self._of(authorization, narrowed)

    def _of(self, authorization: Authorization, grant: Grant) -> dict[str, Any]:
        """The answer of a launch, with its context (SMART App Launch 2.2, "Response: access token")."""
        token_id = str(uuid.uuid4())
        self.ledger.record_token(token_id, authorization)
        identified = msgspec.structs.replace(grant, claims={"jti": token_id})
        answer = self.issued(identified, authorization.audience)
        if grant.patient is not None:
            answer |= {"patient": grant.patient, "need_patient_banner": True}
        if "openid" in grant.scope.split():
            answer["id_token"] = mint_id_token(self.keys.identity, self.issuer, grant, authorization.nonce)
        if (refresh := self.ledger.issue_refresh(authorization)) is not None:
            answer["refresh_token"] = refresh
        return answer


def _proves(verifier: str, challenge: str) -> bool:
    """Whether a code verifier is that of a challenge (RFC 7636 section 4.6)."""
    if not VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)
