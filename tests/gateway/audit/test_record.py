"""A record is one line of JSON, whatever a token's claims hold."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.record import Record, line_of
from resolvers.disclosure import Disclosure

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
# Half a surrogate pair is no text in UTF-8, and Python's JSON decoder lets it pass.
any_text = st.text(st.characters(exclude_categories=()), min_size=1)


def read(**known: Any) -> dict[str, Any]:
    line = line_of(Record(time=NOON, request_id="r", outcome="OK", duration_ms=1.5, **known))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    told: dict[str, Any] = json.loads(line)
    assert told.pop("time") == "2026-11-22T12:00:00Z"
    return told


def test_what_is_not_known_stays_out() -> None:
    assert read() == {"request_id": "r", "outcome": "OK", "duration_ms": 1.5}


def test_rows_name_person_type_source_and_count() -> None:
    rows = (Disclosure(None, "Practitioner", "ehr", 1), Disclosure("person/a", "Observation", "gp", 20))
    told = read(disclosed=rows, sources={"gp": "OK"})
    assert told["disclosed"] == [
        {"patient": None, "type": "Practitioner", "source": "ehr", "count": 1},
        {"patient": "person/a", "type": "Observation", "source": "gp", "count": 20},
    ]
    assert told["sources"] == {"gp": "OK"}


@given(any_text, any_text)
def test_any_claim_fits_into_one_line(subject: str, client: str) -> None:
    told = read(subject=subject, client=client, disclosed=(Disclosure("person/a", "Patient", "ehr", 1),))
    assert told["disclosed"] == [{"patient": "person/a", "type": "Patient", "source": "ehr", "count": 1}]
    escaped = [text.encode("utf-8", "backslashreplace").decode() for text in (subject, client)]
    assert [told["subject"], told["client"]] == escaped
