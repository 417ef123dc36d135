"""Client certificates of a test's own, and how proxies write them into a header."""

import datetime as dt
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def made(name: str = "client") -> x509.Certificate:
    """A self-signed certificate (RFC 8705 section 2.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, SHA256())
    )


def thumbprint(certificate: x509.Certificate) -> str:
    """`x5t#S256` (RFC 8705 section 3.1), computed from the bytes and by nothing of ours."""
    digest = sha256(certificate.public_bytes(Encoding.DER)).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def as_client_cert(certificate: x509.Certificate) -> str:
    """RFC 9440 section 2.2."""
    return f":{b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"


def as_pem(certificate: x509.Certificate) -> str:
    """As nginx's `$ssl_client_escaped_cert` and Envoy's `%DOWNSTREAM_PEER_CERT%` write it."""
    return quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")
