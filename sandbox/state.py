"""The sandbox's state folder: where things lie in it, and the secrets that it makes once and keeps."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sandbox.files import write_private
from sandbox.issuer.keys import ensure_key


class StateInUse(RuntimeError):
    """Another sandbox runs on the same state folder."""


@dataclass(frozen=True, slots=True)
class State:
    """A state folder. The files outlive the sandbox, `sandbox.json` alone says that it runs."""

    folder: Path

    @property
    def summary(self) -> Path:
        return self.folder / "sandbox.json"

    @property
    def settings(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def links(self) -> Path:
        return self.folder / "links.ndjson"

    @property
    def orders(self) -> Path:
        """The laboratory's orders that webhooks told of."""
        return self.folder / "orders.ndjson"

    @property
    def issuer_key(self) -> Path:
        return self.folder / "issuer-key.json"

    @property
    def clients(self) -> Path:
        return self.folder / "clients.json"

    @property
    def partner_secret(self) -> Path:
        """The secret of `partner`, a client of the gateway; apart from the gateway's own secrets."""
        return self.folder / "partner-client-secret"

    @property
    def ports(self) -> Path:
        return self.folder / "ports.json"

    def secret(self, name: str) -> Path:
        return self.folder / "secrets" / name

    def log(self, process: str) -> Path:
        return self.folder / "logs" / f"{process}.log"

    @property
    def identity_key(self) -> bytes:
        """The 64 bytes that seal person ids."""
        return bytes.fromhex(self.secret("identity_key").read_text())

    def ensure_secrets(self) -> None:
        """Makes what is missing of signing key, sealing keys and clients' secrets; the rest stays."""
        ensure_key(self.issuer_key)
        for path, size in self._random_files().items():
            if not path.exists():
                write_private(path, secrets.token_hex(size).encode())

    def _random_files(self) -> dict[Path, int]:
        return {
            self.secret("identity_key"): 64,
            self.secret("cursor_key"): 32,
            self.secret("upstream_ehr_client_secret"): 32,
            self.secret("upstream_document_id_key"): 64,
            self.partner_secret: 32,
        }

    def recorded_ports(self) -> dict[str, int]:
        """The ports of the last time, so that addresses and tokens stay good from one start to the next."""
        try:
            return msgspec.json.decode(self.ports.read_bytes(), type=dict[str, int])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}


@contextmanager
def hold(folder: Path) -> Iterator[State]:
    """The state folder, made where it is missing, for one sandbox alone. Raises StateInUse."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = State(folder.resolve())
    with os.fdopen(os.open(state.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise StateInUse(f"Another sandbox runs on {folder}; give this one its own --state.") from problem
        state.summary.unlink(missing_ok=True)
        try:
            yield state
        finally:
            state.summary.unlink(missing_ok=True)
