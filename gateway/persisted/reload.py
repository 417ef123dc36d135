"""The trusted documents in force, and how new ones take their place while the gateway serves.

The files are looked at every few seconds. A new set is read and prepared in a thread, and takes the place of
the old one as a whole. One that cannot be used changes nothing: the old one stays, the log says why,
`/readyz` says that it is not current, and it is read again when the files change again.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

from gateway.documents import Documents
from gateway.persisted.manifests import TrustedDocumentsInvalid, trusted_files
from gateway.persisted.settings import DocumentSettings
from gateway.persisted.trusted import TrustedSet, read_trusted
from gateway.prepare import Preparation

log = logging.getLogger(__name__)

Print = tuple[tuple[str | int, ...], ...]
"""Path, times of change, size and inode of every file: differs when the files do."""


class TrustedDocuments:
    """`current` is the set in force; `reloads_failed` counts sets that were refused since the start."""

    def __init__(self, settings: DocumentSettings, preparation: Preparation, documents: Documents) -> None:
        self._settings = settings
        self._preparation = preparation
        self._documents = documents
        self._seen: Print | None = None
        self.current = TrustedSet()
        self.reloads_failed = 0
        self.is_current = True

    def load(self) -> None:
        """Reads the set that the gateway starts with; raises `TrustedDocumentsInvalid`."""
        self._seen = _print(self._settings)
        self._take(read_trusted(self._settings, self._preparation))

    def state(self) -> dict[str, Any] | None:
        """What `/readyz` says; None where no documents are handed in."""
        if not self._settings.has_trusted:
            return None
        return {
            "trusted": self.current.count,
            "isCurrent": self.is_current,
            "reloadsFailed": self.reloads_failed,
        }

    async def watch(self) -> None:
        """Looks for changes until it is cancelled; ends at once where nothing is to be looked at."""
        while self._settings.has_trusted and self._settings.reload_every_s > 0:
            await asyncio.sleep(self._settings.reload_every_s)
            await self.look()

    async def look(self) -> None:
        """Takes up the files, if they have changed. Never raises."""
        try:
            seen = await asyncio.to_thread(_print, self._settings)
            if seen == self._seen:
                return
            self._seen = seen
            found = await asyncio.to_thread(read_trusted, self._settings, self._preparation)
            if await asyncio.to_thread(_print, self._settings) != seen:
                self._seen = None  # somebody is still writing: what was read may be half of it
                return
            self._take(found)
            log.info("trusted documents reloaded: %d", found.count)
        except TrustedDocumentsInvalid as problem:
            self._refuse(str(problem))
        except Exception as problem:  # noqa: BLE001  whatever it is, the old set stays and the watch goes on
            self._seen = None
            self._refuse(type(problem).__name__)

    def _take(self, found: TrustedSet) -> None:
        self.current = found
        self.is_current = True
        self._documents.pin(found.prepared)

    def _refuse(self, why: str) -> None:
        self.is_current = False
        self.reloads_failed += 1
        log.error("trusted documents not reloaded, the %d before stay in force: %s", self.current.count, why)


def _print(settings: DocumentSettings) -> Print:
    try:
        files = trusted_files(settings)
    except TrustedDocumentsInvalid:
        return (("absent",),)
    return tuple(map(_print_of, files))


def _print_of(path: Path) -> tuple[str | int, ...]:
    try:
        found = path.stat()
    except OSError:
        return (str(path),)
    return str(path), found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
