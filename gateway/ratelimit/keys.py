"""Whose a budget is, said without saying who: a user may be named by an identifier of a patient."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from gateway.ratelimit.tiers import Tier
from permissions.principal import Principal

_PERSON: Final = b"clinical-limits"
_BYTES: Final = 16


def budget_keys(secret: bytes) -> Callable[[Principal, Tier], str]:
    """Makes keys: 32 hexadecimal digits, the same in every process with the secret (16 to 64 bytes).

    One client in two tiers has two budgets: its tokens are of two contracts.
    """
    start = blake2b(key=secret, digest_size=_BYTES, person=_PERSON)

    def key_of(principal: Principal, tier: Tier) -> str:
        whose = [tier.name, principal.issuer, principal.client]
        if tier.per == "client_user":
            whose.append(principal.subject)
        digest = start.copy()
        digest.update(msgspec.json.encode(whose))
        return digest.hexdigest()

    return key_of
