"""The `[[upstreams]]` tables: wrong ones are refused at start."""

from typing import Any

import pytest
from pydantic import ValidationError

from resolvers.upstreams.settings import UpstreamSettings

BASE: dict[str, Any] = {"name": "ehr", "kind": "fhir", "base_url": "http://ehr.test/fhir/"}

HS = {"algorithm": "HS256"}


def test_defaults() -> None:
    table = UpstreamSettings(**BASE)
    assert table.base_url == "http://ehr.test/fhir"
    assert (table.timeout_s, table.max_response_bytes, table.credentials.kind) == (5.0, 33_554_432, "none")
    assert (table.capabilities.url_length_max, table.capabilities.id_count_max) == (2000, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "EHR"},
        {"name": "a/b"},
        {"base_url": None},
        {"base_url": "ehr.test"},
        {"base_url": "http://u:p@ehr.test"},
        {"locations": [{"base_url": "http://a.test"}]},
        {"base_url": None, "locations": [{"base_url": "http://a.test"}, {"base_url": "http://a.test/"}]},
        {"timeout_s": 0},
        {"max_pages": 0},
        {"rate_limit": {"calls": 0}},
        {"rate_limit": {"calls": 10, "burst": 11}},
        {"rate_limit": {"calls": 10, "per": "minute"}},
        {"time_out": 3},
        {"credentials": {"kind": "static", "token": "abc"}},
        {"credentials": {"kind": "basic", "user": ""}},
        {"credentials": {"kind": "client_credentials", "client_id": "x"}},
        {"credentials": {"kind": "client_credentials", "client_id": "x", "token_url": "nowhere"}},
        {"credentials": {"kind": "grants"}},
        {"credentials": {"kind": "private_key_jwt", "client_id": "x", "token_url": "https://x.test"} | HS},
        {"credentials": {"kind": "forward"}},
        {"credentials": {"kind": "patient_grant", "grants_secret": "It's me"}},
        {"purposes": []},
        {"purposes": ["treatment"]},
        {"restricted_patients": "closed"},
        {"capabilities": {"batch": "yes"}},
        {"capabilities": {"page_size_max": 0}},
        {"capabilities": {"types": ["observation"]}},
        {"fan_out": [{"type": "Observation", "parameter": "category", "values": []}]},
    ],
)
def test_a_wrong_table_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UpstreamSettings(**{**BASE, **change})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        UpstreamSettings(**BASE).timeout_s = 9.0  # type: ignore[misc]
