"""TLS with a certificate of our own (mutual TLS), made of secrets."""

import os
import ssl
from typing import Final

from resolvers.upstreams.credential_settings import CredentialSettings, MtlsCredentials
from resolvers.upstreams.secret_source import SecretInvalid, SecretSource, pem_secret

_NO_PASSPHRASE: Final = ""
"""Without this OpenSSL would ask the terminal for that of an encrypted key."""


def client_tls(source: str, settings: CredentialSettings, secrets: SecretSource) -> ssl.SSLContext | None:
    """How connections to a source are made where it asks for a certificate; None where it does not.

    Raises SecretMissing, SecretInvalid.
    """
    if not isinstance(settings, MtlsCredentials):
        return None
    certificate = settings.certificate_secret or f"upstream_{source}_certificate"
    key = settings.key_secret or f"upstream_{source}_key"
    context = ssl.create_default_context(cadata=_authorities(settings, secrets))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, certificate, key, secrets)
    return context


def _authorities(settings: MtlsCredentials, secrets: SecretSource) -> str | None:
    if settings.ca_secret is None:
        return None
    text = pem_secret(secrets, settings.ca_secret).decode("ascii", "replace")
    try:
        ssl.create_default_context(cadata=text)
    except ssl.SSLError:
        raise SecretInvalid(f"the secret {settings.ca_secret!r} holds no certificates in PEM") from None
    return text


def _load(context: ssl.SSLContext, certificate: str, key: str, secrets: SecretSource) -> None:
    """Puts certificate and key into the context, by a file that is in memory only: OpenSSL wants a path."""
    content = pem_secret(secrets, certificate) + b"\n" + pem_secret(secrets, key)
    handle = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{handle}", password=_NO_PASSPHRASE)
    except ssl.SSLError:
        raise SecretInvalid(
            f"the secrets {certificate!r} and {key!r} are not a certificate and its key (PEM, no passphrase)"
        ) from None
