"""The client's TLS certificate, as a proxy in front of the gateway tells of it.

The gateway itself speaks plain HTTP behind a proxy that ends TLS. What stands in the header is believed only
where the connection comes from one of the configured proxies; from anybody else the header is nothing.
"""

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificate
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.authn.authenticator import Credentials

HEADER_BYTES_MAX: Final = 32_768
HEADERS_KEPT: Final = 1024
PEERS_KEPT: Final = 1024
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


def _not_everybody(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if network.prefixlen == 0:
        raise ValueError("must name the proxies: a certificate that anybody may tell of proves nothing")
    return network


Network = Annotated[IPv4Network | IPv6Network, AfterValidator(_not_everybody)]


class ClientCertificateSettings(BaseModel):
    """The `[server.client_certificate]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: str = Field("Client-Cert", pattern=r"^[A-Za-z0-9-]+$")
    format: Literal["client-cert", "pem"] = "client-cert"
    """`client-cert`: RFC 9440; `pem`: URL-encoded PEM, as nginx and Envoy write it."""
    proxies: tuple[Network, ...] = Field(min_length=1)
    """Addresses or networks of the proxies, as the gateway sees them."""


class CertificateHeader:
    """Reads the header of trusted proxies."""

    def __init__(self, settings: ClientCertificateSettings) -> None:
        self._name = settings.header.lower().encode()
        self._proxies = settings.proxies
        self._thumbprint = lru_cache(HEADERS_KEPT)(_READERS[settings.format])
        self._is_proxy = lru_cache(PEERS_KEPT)(self._is_listed)

    def thumbprint(self, headers: Mapping[bytes, bytes], peer: str | None) -> str | None:
        """The SHA-256 thumbprint (base64url, unpadded) of the certificate, None where none can be believed.

        `headers` by their names in lower case, `peer` the address at the other end of the connection.
        """
        value = headers.get(self._name)
        if value is None or peer is None or len(value) > HEADER_BYTES_MAX or not self._is_proxy(peer):
            return None
        return self._thumbprint(value)

    def _is_listed(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._proxies)


def credentials_of(
    scope: Mapping[str, Any], headers: Mapping[bytes, bytes], certificates: CertificateHeader | None
) -> Credentials:
    """What an ASGI request shows of its caller."""
    # Several Authorization headers make one that is wrong, for nobody can say which counts.
    given = headers.get(b"authorization")
    authorization = None if given is None else given.decode("latin-1")
    if certificates is None:
        return Credentials(authorization)
    peer = scope.get("client")
    return Credentials(authorization, certificates.thumbprint(headers, peer[0] if peer else None))


def _of_pem(value: bytes) -> str | None:
    """URL-encoded PEM with one certificate. A second header line, which another may have sent, spoils it."""
    pem = unquote_to_bytes(value)
    if not pem.startswith(_PEM_BEGIN) or pem.count(b"-----BEGIN") != 1:
        return None
    return _thumbprint(load_pem_x509_certificate, pem)


def _of_client_cert(value: bytes) -> str | None:
    """RFC 9440 section 2.2: one byte sequence (RFC 8941 section 3.3.5) of DER, never a list."""
    if len(value) < 2 or value[:1] != b":" or value[-1:] != b":":
        return None
    try:
        return _thumbprint(load_der_x509_certificate, b64decode(value[1:-1], validate=True))
    except binascii.Error:
        return None


def _thumbprint(load: Callable[[bytes], Certificate], encoded: bytes) -> str | None:
    """RFC 8705 section 3.1: base64url of the SHA-256 of the DER."""
    try:
        digest = load(encoded).fingerprint(SHA256())
    except ValueError:
        return None
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


_READERS: Final[Mapping[str, Callable[[bytes], str | None]]] = {
    "client-cert": _of_client_cert,
    "pem": _of_pem,
}
