"""A gateway's settings, secrets and token for a measurement: everything on that production has on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from bench.processes import free_port
from clinical.codec import encode_json
from sandbox.issuer.keys import ensure_key, public_keys
from sandbox.issuer.tokens import AUDIENCE, Grant, mint

_HEAD = """[server]
port = {port}
request_deadline_s = 60.0
max_body_bytes = 262144
introspection = false
graphiql = false

[schema]
resources = "default"

[identity]
trusted_sources = [{names}]

[secrets]
directory = "secrets"

[store]
kind = "memory"

[audit]
sink = "file"
path = "audit.jsonl"

[limits]
max_characters = 30000
max_tokens = 4000

[[ratelimit.tiers]]
name = "default"
capacity = 1_000_000_000
restore_per_s = 1_000_000
max_query_cost = 1_000_000_000
max_concurrent = 10_000

[[issuers]]
issuer = "{issuer}"
audience = "{audience}"
algorithms = ["ES384"]
jwks_uri = "{issuer}/jwks"
"""

_UPSTREAM = """
[[upstreams]]
name = "{name}"
kind = "fhir"
base_url = "http://127.0.0.1:{port}/fhir"
timeout_s = 30.0
max_concurrency = 256
"""

SCOPE = "system/*.rs"


@dataclass(frozen=True)
class Deployment:
    """A folder with gateway.toml for some sources, and a token that it accepts."""

    config: Path
    jwks: Path
    port: int
    upstream_ports: tuple[int, ...]
    token: str

    @property
    def identity_key(self) -> bytes:
        return bytes.fromhex((self.config.parent / "secrets" / "identity_key").read_text())


def source_names(count: int) -> list[str]:
    return ["ehr", *(f"ehr{number}" for number in range(2, count + 1))]


def deploy(folder: Path, ports: tuple[int, ...]) -> Deployment:
    """Writes the folder for sources at these ports; the first also publishes the issuer's keys."""
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    key = ensure_key(folder / "key.json")
    jwks = folder / "jwks.json"
    jwks.write_bytes(encode_json(public_keys(key)))
    for name, size in (("identity_key", 64), ("cursor_key", 32)):
        path = folder / "secrets" / name
        if not path.exists():
            path.write_text(secrets.token_hex(size))
    names = source_names(len(ports))
    issuer, port = f"http://127.0.0.1:{ports[0]}", free_port()
    quoted = ", ".join(f'"{name}"' for name in names)
    head = _HEAD.format(port=port, names=quoted, issuer=issuer, audience=AUDIENCE)
    tables = [_UPSTREAM.format(name=name, port=at) for name, at in zip(names, ports, strict=True)]
    config = folder / f"gateway-{len(ports)}.toml"
    config.write_text(head + "".join(tables))
    token = mint(key, issuer, AUDIENCE, Grant(scope=SCOPE, client="bench", ttl_s=7200))
    return Deployment(config, jwks, port, ports, token)
