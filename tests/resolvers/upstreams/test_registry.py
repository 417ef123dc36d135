"""Kinds of sources: ours, other packages', and those that nobody provides."""

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from resolvers.upstreams import registry
from resolvers.upstreams.fhir import FhirUpstream
from resolvers.upstreams.registry import UpstreamInvalid, open_upstreams
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Upstream
from resolvers.upstreams.wearable import WearableUpstream
from resolvers.upstreams.wiring import Wiring

GRANTS = {"upstream_wearable_grants": "{}"}


def table(name: str = "ehr", kind: str = "fhir", **more: Any) -> UpstreamSettings:
    return UpstreamSettings(**{"name": name, "kind": kind, "base_url": f"http://{name}.test", **more})


def test_sources_come_in_the_order_of_the_settings() -> None:
    grants = {"kind": "patient_grant"}
    opened = open_upstreams(
        [table("wearable", "wearable", credentials=grants), table("gp"), table("ehr")], Wiring(GRANTS)
    )
    assert [one.name for one in opened] == ["wearable", "gp", "ehr"]
    assert [type(one) for one in opened] == [WearableUpstream, FhirUpstream, FhirUpstream]


def test_an_unknown_kind_is_a_sentence() -> None:
    with pytest.raises(
        UpstreamInvalid, match=r"'ehr' is of kind 'hl7v2', which is not known.*fhir,.* wearable"
    ):
        open_upstreams([table(kind="hl7v2")], Wiring({}))


def test_two_sources_cannot_share_a_name() -> None:
    with pytest.raises(UpstreamInvalid, match="two upstreams are named 'ehr'"):
        open_upstreams([table(), table()], Wiring({}))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (table(credentials={"kind": "static"}), "upstream 'ehr': the secret 'upstream_ehr_token' is missing"),
        (table("wearable", "wearable"), "needs credentials of kind 'patient_grant'"),
        (
            table("wearable", "wearable", credentials={"kind": "patient_grant"}, timezone="Mars/Olympus"),
            "time zone",
        ),
        (
            table(
                "wearable",
                "wearable",
                credentials={"kind": "patient_grant"},
                base_url=None,
                locations=[{"base_url": "http://w.test"}],
            ),
            "one base_url",
        ),
        (
            table(
                base_url=None,
                locations=[{"base_url": "http://a.test", "secret_headers": {"X-Key": "practice_key"}}],
            ),
            "the secret 'practice_key' is missing",
        ),
    ],
)
def test_a_source_that_cannot_work_is_refused_at_start(settings: UpstreamSettings, sentence: str) -> None:
    with pytest.raises(UpstreamInvalid, match=sentence):
        open_upstreams([settings], Wiring(GRANTS))


def test_headers_of_a_place_may_be_secrets() -> None:
    places = [
        {"base_url": "http://a.test", "headers": {"X-A": "1"}, "secret_headers": {"X-Key": "practice_key"}}
    ]
    (opened,) = open_upstreams([table(base_url=None, locations=places)], Wiring({"practice_key": "k"}))
    assert opened.locations()[0].headers == (("X-A", "1"), ("X-Key", "k"))


def provided(settings: UpstreamSettings, wiring: Wiring) -> Upstream:
    return FhirUpstream(settings, wiring.exchange(settings), wiring.locations(settings))


class Provided(EntryPoint):
    def load(self) -> Any:
        return provided


def test_another_package_provides_a_kind_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Provided("hl7v2", f"{__name__}:provided", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints([entry]))
    (opened,) = open_upstreams([table(kind="hl7v2", options={"port": 2575})], Wiring({}))
    assert opened.name == "ehr"
