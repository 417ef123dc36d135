"""An issuer's public keys: fetched, kept as long as the issuer allows, refetched when a key is new.

- Kept no longer than Cache-Control says (an hour at most), and renewed ahead of that, so
  that requests do not wait.
- An unknown `kid` refetches once, however many ask; the rate of that is limited, so that a
  stream of invented kids does not become a stream of requests to the issuer.
- While the issuer is down or slow the cached keys stay usable, a day at most, and nobody waits long.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.util import urlsafe_b64decode

from gateway.authn.authenticator import KeysUnavailable
from gateway.authn.metadata import IssuerMetadata, MetadataUnavailable, fetch_json, lifetime_s

log = logging.getLogger(__name__)

LIFETIME_MAX_S: Final = 3600.0
STALE_MAX_S: Final = 86400.0
RENEW_AT: Final = 0.8  # of the lifetime
WAIT_MAX_S: Final = 3.0
WAIT_WITH_KEYS_MAX_S: Final = 0.5
PAUSE_AFTER_FETCH_S: Final = 1.0
PAUSE_AFTER_FAILURE_S: Final = 10.0
PAUSE_BETWEEN_UNKNOWN_S: Final = 10.0
UNKNOWN_KID_S: Final = 60.0
UNKNOWN_KIDS_KEPT: Final = 1000
RSA_BITS_MIN: Final = 2048

_FAMILIES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One usable public key; `thumbprint` (RFC 7638) tells whether it is still the same."""

    kid: str
    thumbprint: str
    key: Key

    def suits(self, algorithm: str) -> bool:
        """Whether this key may verify that algorithm, by its type and its own `alg`."""
        declared = self.key.get("alg")
        return self.key.key_type == _FAMILIES[algorithm[:2]] and declared in (None, algorithm)


@dataclass(frozen=True, slots=True)
class _Keys:
    by_kid: Mapping[str, tuple[VerificationKey, ...]] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    lifetime_s: float = 0.0


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(
        self,
        metadata: IssuerMetadata,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metadata = metadata
        self._client = client
        self.clock = clock
        self._keys = _Keys()
        self.thumbprints: frozenset[str] = frozenset()
        """Of the keys that the issuer publishes, as they were read last."""
        self.renew_at = float("-inf")
        """From when on, by `clock`, they must be looked at again before they are relied on."""
        self._fetching: asyncio.Task[None] | None = None
        self._next_fetch_at = float("-inf")
        self._next_unknown_at = float("-inf")
        self._unknown: OrderedDict[str, float] = OrderedDict()

    async def find(self, kid: str, algorithm: str) -> VerificationKey | None:
        """The one key with this id that may verify this algorithm; None where there is none, or several."""
        await self._keep_fresh()
        if kid not in self._keys.by_kid and (self._fetching is not None or self._may_ask_for(kid)):
            await self._fetch_for(kid)
        matching = [key for key in self._keys.by_kid.get(kid, ()) if key.suits(algorithm)]
        return matching[0] if len(matching) == 1 else None

    async def holds(self, thumbprint: str) -> bool:
        """Whether the issuer still publishes a key: a retired key takes its tokens with it."""
        if self.clock() >= self.renew_at:
            await self._keep_fresh()
        return thumbprint in self.thumbprints

    async def close(self) -> None:
        """Ends a fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _keep_fresh(self) -> None:
        age_s = self.clock() - self._keys.fetched_at
        if age_s >= self._keys.lifetime_s:
            await self._fetch(WAIT_WITH_KEYS_MAX_S if self._keys.by_kid else WAIT_MAX_S)
        elif self.clock() >= self.renew_at:
            self._start_fetch()
        if self.clock() - self._keys.fetched_at > STALE_MAX_S:
            raise KeysUnavailable("no keys of the issuer at hand")

    def _may_ask_for(self, kid: str) -> bool:
        now = self.clock()
        if now < self._next_unknown_at or now < self._unknown.get(kid, float("-inf")):
            return False
        self._next_unknown_at = now + PAUSE_BETWEEN_UNKNOWN_S
        if self._keys.by_kid:
            self._next_fetch_at = now
        return True

    async def _fetch_for(self, kid: str) -> None:
        before = self._keys
        await self._fetch(WAIT_MAX_S)
        if self._keys is not before and kid not in self._keys.by_kid:
            self._unknown[kid] = self.clock() + UNKNOWN_KID_S
            while len(self._unknown) > UNKNOWN_KIDS_KEPT:
                self._unknown.popitem(last=False)

    async def _fetch(self, wait_s: float) -> None:
        """Waits a while for the one fetch under way, starting it where none is and the pause is over."""
        self._start_fetch()
        if self._fetching is not None:
            # Not cancelled: a caller that goes away, or has waited enough, leaves the fetch to the others.
            await asyncio.wait((self._fetching,), timeout=wait_s)

    def _start_fetch(self) -> None:
        if self._fetching is None and self.clock() >= self._next_fetch_at:
            self._fetching = asyncio.create_task(self._renew(), name="jwks")
            self._fetching.add_done_callback(self._fetched)

    def _fetched(self, _task: "asyncio.Task[None]") -> None:
        self._fetching = None

    async def _renew(self) -> None:
        try:
            document, headers = await fetch_json(self._client, await self._metadata.address("jwks_uri"))
            by_kid = usable_keys(document)
        except MetadataUnavailable as problem:
            self._next_fetch_at = self.clock() + PAUSE_AFTER_FAILURE_S
            log.warning("keys of %s not fetched: %s", self._metadata.issuer, problem)
            return
        now = self.clock()
        self.thumbprints = frozenset(key.thumbprint for keys in by_kid.values() for key in keys)
        self._keys = _Keys(by_kid, now, min(lifetime_s(headers), LIFETIME_MAX_S))
        self.renew_at = now + self._keys.lifetime_s * RENEW_AT
        self._next_fetch_at = now + PAUSE_AFTER_FETCH_S


def usable_keys(document: Any) -> Mapping[str, tuple[VerificationKey, ...]]:
    """The signature keys of a JWK set (RFC 7517) by `kid`; what is not understood is left out (section 5)."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise MetadataUnavailable("not a JWK set")
    by_kid: dict[str, tuple[VerificationKey, ...]] = {}
    for entry in listed:
        key = _usable_key(entry)
        if key is not None:
            by_kid[key.kid] = (*by_kid.get(key.kid, ()), key)
    return by_kid


def _usable_key(entry: Any) -> VerificationKey | None:
    if not isinstance(entry, dict) or not _is_for_verifying(entry):
        return None
    try:
        if (
            entry["kty"] == "RSA"
            and int.from_bytes(urlsafe_b64decode(str(entry["n"]).encode())).bit_length() < RSA_BITS_MIN
        ):
            return None
        key = JWKRegistry.import_key(entry)
        return VerificationKey(entry["kid"], key.thumbprint(), key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _is_for_verifying(entry: dict[str, Any]) -> bool:
    return (
        isinstance(entry.get("kid"), str)
        and entry.get("kty") in ("RSA", "EC", "OKP")
        and entry.get("use", "sig") == "sig"
        and "verify" in entry.get("key_ops", ["verify"])
    )
