"""A token that was checked, and how long that holds."""

from dataclasses import dataclass

from gateway.authn.authenticator import Credentials, TokenInvalid
from gateway.authn.jwks import IssuerKeys
from permissions.principal import Principal


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Who a token stands for. `until_s` is in seconds since 1970.

    `certificate` is the thumbprint that must be shown with the token, each time. `key` is the thumbprint of
    the key among `keys` that signed it: when the issuer retires that, the token goes with it.
    """

    principal: Principal
    until_s: float
    certificate: str | None = None
    keys: IssuerKeys | None = None
    key: str = ""

    async def holds(self, now_s: float) -> bool:
        """Whether the token may be taken for checked at that time."""
        if now_s >= self.until_s:
            return False
        return self.keys is None or await self.keys.holds(self.key)

    def shown_with(self, credentials: Credentials) -> Principal:
        """The principal, for a caller who shows what the token is bound to; raises `TokenInvalid`."""
        if self.certificate is not None and self.certificate != credentials.certificate:
            raise TokenInvalid("the certificate that the token is bound to was not shown")
        return self.principal
