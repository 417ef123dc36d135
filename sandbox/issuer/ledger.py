"""What users have granted, and what was given out for it: codes, refresh tokens, access tokens. In memory."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sandbox.issuer.tokens import Grant

CODE_TTL_S = 60.0
OFFLINE_S = 30 * 86400.0
ONLINE_S = 8 * 3600.0
"""`online_access` is for as long as the user is there; nobody knows, so it ends with a working day."""
KEPT = 10_000

Kept = TypeVar("Kept")


@dataclass(slots=True)
class Authorization:
    """What one user granted to one client. Revoked, it takes every token with it that came of it."""

    grant: Grant
    audience: str
    nonce: str | None
    refresh_until: float
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code's bindings (RFC 6749 section 4.1.3, RFC 7636 section 4.4)."""

    authorization: Authorization
    redirect_uri: str
    challenge: str
    expires_at: float


@dataclass(slots=True)
class _Refresh:
    authorization: Authorization
    is_spent: bool = False


class Ledger:
    """Codes and refresh tokens are good once; who shows one again has stolen it, or was stolen from, and
    everything that came of it is revoked (RFC 6749 section 4.1.2, RFC 9700 sections 2.1.1 and 4.14.2)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._codes: OrderedDict[str, Code] = OrderedDict()
        self._spent_codes: OrderedDict[str, Authorization] = OrderedDict()
        self._refresh: OrderedDict[str, _Refresh] = OrderedDict()
        self._of_token: OrderedDict[str, Authorization] = OrderedDict()
        self._revoked: OrderedDict[str, bool] = OrderedDict()

    def authorize(self, grant: Grant, audience: str, nonce: str | None) -> Authorization:
        """A new authorization, refreshed as long as its scopes say."""
        scopes = grant.scope.split()
        refreshed_s = (
            OFFLINE_S if "offline_access" in scopes else ONLINE_S if "online_access" in scopes else 0.0
        )
        return Authorization(grant, audience, nonce, self._clock() + refreshed_s)

    def issue_code(self, authorization: Authorization, redirect_uri: str, challenge: str) -> str:
        """A code for the authorization, good for a minute."""
        code = secrets.token_urlsafe(32)
        _keep(self._codes, code, Code(authorization, redirect_uri, challenge, self._clock() + CODE_TTL_S))
        return code

    def redeem_code(self, code: str) -> Code | None:
        """The bindings of a code, which is spent by this, whatever becomes of the request."""
        if (spent := self._spent_codes.get(code)) is not None:
            spent.is_revoked = True
        if (found := self._codes.pop(code, None)) is None:
            return None
        _keep(self._spent_codes, code, found.authorization)
        return found if found.expires_at > self._clock() else None

    def issue_refresh(self, authorization: Authorization) -> str | None:
        """A refresh token, where the authorization may have one."""
        if not self._may_refresh(authorization):
            return None
        token = secrets.token_urlsafe(32)
        _keep(self._refresh, token, _Refresh(authorization))
        return token

    def holder(self, token: str) -> str | None:
        """The client that a refresh token, good or spent, was given to."""
        found = self._refresh.get(token)
        return found.authorization.grant.client if found is not None else None

    def find_refresh(self, token: str) -> Authorization | None:
        """The authorization of a refresh token that is still good."""
        found = self._refresh.get(token)
        if found is None or found.is_spent or not self._may_refresh(found.authorization):
            return None
        return found.authorization

    def spend_refresh(self, token: str, client_id: str) -> Authorization | None:
        """The authorization of a client's refresh token, which is spent by this."""
        found = self._refresh.get(token)
        if found is None or found.authorization.grant.client != client_id:
            return None
        if found.is_spent:
            found.authorization.is_revoked = True
        authorization = self.find_refresh(token)
        found.is_spent = True
        return authorization

    def record_token(self, token_id: str, authorization: Authorization) -> None:
        """An access token that came of the authorization, by its `jti`."""
        _keep(self._of_token, token_id, authorization)

    def is_revoked(self, token_id: str) -> bool:
        """Whether the access token with this `jti` was revoked, by itself or with its authorization."""
        authorization = self._of_token.get(token_id)
        return token_id in self._revoked or (authorization is not None and authorization.is_revoked)

    def revoke_token(self, token_id: str) -> None:
        """Ends one access token."""
        _keep(self._revoked, token_id, True)

    def _may_refresh(self, authorization: Authorization) -> bool:
        return not authorization.is_revoked and authorization.refresh_until > self._clock()


def _keep(held: OrderedDict[str, Kept], name: str, value: Kept) -> None:
    """Keeps the value; the oldest goes where there are too many: nobody is to fill a sandbox's memory."""
    held[name] = value
    while len(held) > KEPT:
        held.popitem(last=False)
