"""Takes GraphiQL's published files into gateway/static/graphiql, each checked against its digest.

Run it after changing a version below; it prints the digests that it found. The files are committed,
so that a gateway needs neither npm nor somebody else's server to show its page.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "gateway" / "static" / "graphiql"
SOURCE_MAP = re.compile(rb"^//# sourceMappingURL=.*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    """One published file: `package` with version, `path` in it, and the SHA-256 of what is committed."""

    package: str
    path: str
    sha256: str


# React 19 and GraphiQL 5 no longer publish files that a page can load without a bundler.
ASSETS = (
    Asset(
        "react@18.3.1",
        "umd/react.production.min.js",
        "d949f1c3687aedadcedac85261865f29b17cd273997e7f6b2bfc53b2f9d4c4dd",
    ),
    Asset(
        "react-dom@18.3.1",
        "umd/react-dom.production.min.js",
        "35f4f974f4b2bcd44da73963347f8952e341f83909e4498227d4e26b98f66f0d",
    ),
    Asset(
        "graphiql@4.1.2",
        "graphiql.min.js",
        "f118b042b694baca2bc71aa6f53a826275291e4d9595d29912513c60d9cc2748",
    ),
    Asset(
        "graphiql@4.1.2",
        "graphiql.min.css",
        "30487e07635d312a63f647b140d37740a73c53332b0975bf4b1fe985ca6ec885",
    ),
)


def committed(asset: Asset) -> Path:
    """Where an asset lies in this repository."""
    return FOLDER / Path(asset.path).name


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def main() -> int:
    """Fetches and checks all; 1 where a digest differs."""
    wrong = 0
    for asset in ASSETS:
        # The map is not taken along, and a browser should not look for it.
        data = SOURCE_MAP.sub(b"", published(asset))
        if digest(data) == asset.sha256:
            committed(asset).write_bytes(data)
        else:
            print(f"{asset.package} {asset.path}: {digest(data)} is not the digest above", file=sys.stderr)
            wrong = 1
    return wrong


def published(asset: Asset) -> bytes:
    """The file as its package has it."""
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            ["npm", "pack", asset.package, "--json", "--pack-destination", folder],
            check=True,
            capture_output=True,
        )
        archive = Path(folder, json.loads(told.stdout)[0]["filename"]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        file = files.extractfile(f"package/{asset.path}")
        assert file is not None
        return file.read()


if __name__ == "__main__":
    sys.exit(main())
