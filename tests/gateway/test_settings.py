"""Mistakes in gateway.toml explain themselves, all at once."""

from pathlib import Path
from typing import Any

import pytest

from gateway.settings_file import SettingsInvalid, read_settings
from tests.gateway.settings_files import GOOD, settings, written

OPAQUE: dict[str, Any] = {
    "issuer": "https://issuer.test",
    "kind": "opaque",
    "introspection": {"client_id": "gateway", "secret": "issuer_secret"},
}


def opaque(**introspection: Any) -> dict[str, Any]:
    return {**OPAQUE, "introspection": {**OPAQUE["introspection"], **introspection}}


def problems(folder: Path, **changes: Any) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        settings(folder, **changes)
    return str(refused.value)


def test_good_file_is_read_with_safe_defaults(tmp_path: Path) -> None:
    read = settings(tmp_path)
    assert (read.server.introspection, read.server.graphiql, read.server.allowed_origins) == (
        False,
        False,
        (),
    )
    assert read.server.host == "127.0.0.1"
    assert [one.name for one in read.upstreams] == ["ehr", "gp", "wearable"]
    assert read.trusted_sources == {"ehr", "gp"}


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "links.ndjson").write_text("")
    audit = {"sink": "file", "path": "audit.jsonl"}
    read = settings(tmp_path, identity__links="links.ndjson", audit=audit)
    assert read.secrets.directory == tmp_path / "secrets"
    assert read.identity.links == tmp_path / "links.ndjson"
    assert read.audit.path == tmp_path / "audit.jsonl"
    assert settings(tmp_path, secrets__directory="/run/secrets").secrets.directory == Path("/run/secrets")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"ratelimit__tiers": [{"name": "default", "capacity": 5}]},
            "`ratelimit.tiers[0] (default)`: tier default allows an operation a cost of 10000",
        ),
        ({"ratelimit__default_tier": "gold"}, "`default_tier` names gold, which is no tier"),
        ({"ratelimit__on_store_failure": "deny"}, "there is no shared store that could be away"),
        (
            {"ratelimit__clients": [{"client": "app", "issuer": "https://x.test", "tier": "default"}]},
            "`ratelimit.clients` names issuer https://x.test for client app, which is no issuer",
        ),
        ({"store__kind": "redis-cluster"}, "`store.url_secret` is missing"),
        ({"upstreams__0__rate_limit": {"calls": 1, "burst": 2}}, "`burst` (2) is more than `calls` (1)"),
        ({"server__prot": 1}, "`server.prot` is not a known setting; did you mean `port`?"),
        (
            {"upstreams__0__timeout": 3},
            "`upstreams[0] (ehr).timeout` is not a known setting; did you mean `timeout_s`?",
        ),
        ({"nonsense": {}}, "`nonsense` is not a known setting"),
        ({"server__port": 70000}, "`server.port`: input should be less than or equal to 65535"),
        ({"server__port": "x"}, "`server.port`: input should be a valid integer"),
        ({"server__request_deadline_s": 0}, "`server.request_deadline_s`: input should be greater than 0"),
        ({"issuers": []}, "`issuers` is empty: at least one is needed"),
        ({"upstreams": []}, "`upstreams` is empty: at least one is needed"),
        ({"issuers__0": {"issuer": "https://x.test"}}, "`issuers[0].audience` is missing"),
        ({"issuers__0__algorithms": ["HS256"]}, "`issuers[0].algorithms[0]`: input should be 'RS256'"),
        ({"issuers__0__algorithms": ["none"]}, "`issuers[0].algorithms[0]`: input should be 'RS256'"),
        ({"issuers__0__jwks_uri": "http://x.test/k"}, "must use https: keys read over http from `x.test`"),
        ({"issuers__0__issuer": "issuer"}, "`issuers[0].issuer`: must be an https URL"),
        ({"issuers__0__kind": "saml"}, '`issuers[0]`: `kind` must be "jwt" or "opaque"'),
        ({"issuers__0__introspection": {}}, "`issuers[0].introspection` is not a known setting"),
        (
            {"issuers__0__claims": {"pateint": "x"}},
            "`issuers[0].claims.pateint` is not a known setting; did you",
        ),
        (
            {"issuers__0__claims": {"patient": ""}},
            "`issuers[0].claims.patient`: string should have at least 1",
        ),
        (
            {"issuers__0": {**OPAQUE, "introspection": {"client_id": "x"}}},
            "introspection`: `secret` is missing",
        ),
        (
            {"issuers__0": {**OPAQUE, "algorithms": ["ES384"]}},
            "`issuers[0].algorithms` is not a known setting",
        ),
        ({"issuers__0": opaque(authentication="private_key_jwt")}, "`secret` is never read"),
        ({"issuers__0": opaque(cache_s=61)}, "cache_s`: input should be less than or equal to 60"),
        ({"issuers__0": opaque(endpoint="http://x.test/i")}, "must use https: "),
        (
            {"issuers__0": opaque(authentication="none")},
            "authentication`: input should be 'client_secret_basic'",
        ),
        (
            {"issuers__0": opaque(client_secret="hush")},
            "looks like a secret, which does not belong in this file",
        ),
        ({"issuers__0__bound_tokens_required": True}, "needs [server.client_certificate]"),
        ({"server__client_certificate": {}}, "`server.client_certificate.proxies` is missing"),
        ({"server__client_certificate": {"proxies": ["0.0.0.0/0"]}}, "must name the proxies"),
        (
            {"issuers__0__patient_source": "phr"},
            "names `phr`, which is no upstream (there are: ehr, gp, wearable)",
        ),
        (
            {"identity__trusted_sources": ["phr"]},
            "`identity.trusted_sources` names `phr`, which is no upstream",
        ),
        ({"identity__linking_systems": []}, "the sources would never be joined"),
        ({"identity__linking_systems": ["urn:x", "urn:x"]}, "`urn:x` stands twice"),
        ({"upstreams__2__account_system": "https://fhir.nhs.uk/Id/nhs-number"}, "each system links once"),
        ({"upstreams__0__account_system": "urn:x"}, "`account_system` of upstream ehr is never used"),
        ({"identity__agree_on": ["shoeSize"]}, "identity.agree_on"),
        ({"identity__agree_on": []}, "identity.agree_on"),
        ({"identity__refill": ["generalPractitioner"]}, "identity.refill"),
        ({"identity__links": "gone.ndjson"}, "`identity.links`: there is no file"),
        ({"server__allowed_origins": ["*"]}, "`*` would let every page call the gateway"),
        ({"server__allowed_origins": ["https://a.test/x"]}, "without a path: `https://a.test/x` is not"),
        ({"server__allowed_origins": ["a.test"]}, "must be an origin such as https://app.example.org"),
        ({"server__graphiql": True}, "`server.graphiql` is on and `server.introspection` is off"),
        ({"store__kind": "redis"}, "`store.url_secret` is missing"),
        ({"store__url_secret": "redis_url"}, "`store.url_secret` is never read"),
        ({"store__url_secret": "redis://:pw@x"}, "`store.url_secret`: string should match pattern"),
        ({"audit__sink": "file"}, "`audit.path` is missing"),
        ({"audit__path": "x"}, "`audit.path` is never used"),
        ({"audit__sink": "none"}, "`audit.sink`: input should be 'stdout' or 'file'"),
        ({"telemetry__exporter": "otlp-file"}, "`telemetry.path` is missing"),
        ({"telemetry__path": "x"}, "`telemetry.path` is never used"),
        ({"telemetry__exporter": "jaeger"}, "`telemetry.exporter`: input should be 'none'"),
        (
            {"schema__resources": 5},
            '`schema.resources`: must be "default", "all" or a list of resource types',
        ),
        (
            {"schema__resources": []},
            '`schema.resources`: must be "default", "all" or a list of resource types',
        ),
        ({"limits__max_depth": 0}, "`limits.max_depth`: input should be greater than or equal to 1"),
        ({"upstreams__1__name": "ehr"}, "two upstreams are called `ehr`"),
        ({"upstreams__0__name": "E H R"}, "`upstreams[0] (E H R).name`: string should match pattern"),
        ({"upstreams__0__timeout_s": 60}, "longer than `server.request_deadline_s`"),
        (
            {"upstreams__0__base_url": "ftp://x"},
            "`upstreams[0] (ehr).base_url`: must be an http:// or https://",
        ),
        (
            {"upstreams__2__credentials": {"kind": "magic"}},
            "`upstreams[2] (wearable).credentials`: input tag 'magic'",
        ),
        (
            {"upstreams__2__credentials": {"kind": "client_credentials", "client_id": "x"}},
            "`upstreams[2] (wearable).credentials.token_url` is missing",
        ),
        ({"upstreams__0__client_secret": "hush"}, "looks like a secret, which does not belong in this file"),
        ({"secrets__identity_key": "hush"}, "looks like a secret, which does not belong in this file"),
        (
            {"upstreams__1__locations__0__headers": {"Authorization": "hush"}},
            "upstream gp has the header Authorization in the file",
        ),
    ],
)
def test_mistake_is_told_in_a_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    told = problems(tmp_path, **changes)
    assert sentence in told
    assert told.count("\n") == 0  # one mistake, one sentence
    assert "hush" not in told  # a secret in the wrong place is not repeated


def test_two_issuers_of_one_name_and_kind_are_refused(tmp_path: Path) -> None:
    issuer = written()["issuers"][0]
    assert "two issuers are https://issuer.test" in problems(tmp_path, issuers=[issuer, issuer])
    assert len(settings(tmp_path, issuers=[issuer, OPAQUE]).issuers) == 2


def test_jwts_of_an_issuer_are_not_both_checked_and_introspected(tmp_path: Path) -> None:
    issuers = [written()["issuers"][0], opaque(takes_jwts=True)]
    assert "`introspection.takes_jwts` of issuer https://issuer.test" in problems(tmp_path, issuers=issuers)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = problems(tmp_path, server__prot=1, limits__max_depth=0, upstreams__0__timeout=3)
    assert told.count("\n") == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "there is no such file"), (b"[server\n", "this is not TOML"), (b"a = \xff", "this is not TOML")],
)
def test_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=sentence):
        read_settings(file)


def test_environment_does_not_change_a_reviewed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER", '{"port": 1}')
    monkeypatch.setenv("ISSUERS", "[]")
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD)
    assert read_settings(file).server.port == 8000


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"documents__mode": "require"}, "neither `folder` nor `manifests`"),
        ({"documents__mode": "forbid"}, "`documents.mode`"),
        ({"documents__mode_by_tier": {"gold": "allow"}}, "names tier gold, and there is no such tier"),
        ({"documents__registered_max_per_client": 9_000}, "is never reached"),
        ({"documents__registered_max": 0}, "`documents.registered_max`"),
        ({"documents__registered_ttl": 5}, "did you mean `registered_ttl_s`"),
        ({"documents__reload_every_s": -1}, "`documents.reload_every_s`"),
    ],
)
def test_documents_that_cannot_work_are_told(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    assert told in problems(tmp_path, **changes)


def test_places_of_documents_are_relative_to_the_file(tmp_path: Path) -> None:
    read = settings(tmp_path, documents__folder="documents", documents__manifests=["a.json", "/b.json"])
    assert read.documents.folder == tmp_path / "documents"
    assert read.documents.manifests == (tmp_path / "a.json", Path("/b.json"))
