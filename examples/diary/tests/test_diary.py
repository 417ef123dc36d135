"""The diary keeps the contract of every source: `pytest examples/diary/tests`, with the package installed."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from clinical_gateway_diary.diary import open_diary

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token
from resolvers.upstreams.contract import UpstreamContract
from resolvers.upstreams.contract_case import ContractCase, ContractPatient
from resolvers.upstreams.links import Link, LinkTable
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.wiring import Wiring

NUMBERS = {"d1": "9990281505", "d2": "9990281513"}
LINES = """account,taken_at,litres_per_minute
d1,2026-10-01T07:30:00+01:00,420
d2,2026-10-01T08:00:00+01:00,385.50
d1,2026-10-02T07:31:00+01:00,415
d1,2026-10-02T07:31:00+01:00,417
d2,yesterday,400
"""


class TestDiary(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "diary.csv"
            file.write_text(LINES)
            links = LinkTable(Link("diary", own, NHS_NUMBER_SYSTEM, n) for own, n in NUMBERS.items())
            settings = UpstreamSettings(
                name="diary", kind="diary", base_url="https://diary.example.org", options={"file": file}
            )
            upstream = open_diary(settings, Wiring({}, links))
            await upstream.start()
            patients = tuple(
                ContractPatient(own, (Token(NHS_NUMBER_SYSTEM, number),)) for own, number in NUMBERS.items()
            )
            yield ContractCase(upstream, patients, troubles={"no file": lambda: without(file)})
            await upstream.close()


@contextmanager
def without(file: Path) -> Iterator[None]:
    """The file is not there."""
    text = file.read_text()
    file.unlink()
    yield
    file.write_text(text)
