"""Tokens of npm oidc-provider at a gateway that accepts two of its kind: signed ones and opaque ones."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.interop.conftest import Sandbox
from tests.interop.oidc_provider import (
    AUDIENCE,
    LABORATORY,
    OTHER_AUDIENCE,
    Certificate,
    Provider,
    Providers,
    certificate,
    providers,
)
from tests.interop.programs import gateway
from tests.running import eventually, free_port

pytestmark = pytest.mark.interop

PATIENT = "ehr/Patient/1001"
QUERY = '{ patient(id: "ehr/Patient/1001") { id observations(first: 5) { nodes { id } } } }'
CACHE_S = 1.0
ROWS = """{ patient(id: "ehr/Patient/1001") { observations(first: 100) {
  nodes { id category { coding { system code } } } } } }"""
NARROW = f"system/Patient.rs system/Observation.rs?{LABORATORY}"
WIDE = "system/Patient.rs system/Observation.rs"

ISSUERS = """
[[issuers]]
issuer = "{jwt}"
audience = "{audience}"
algorithms = ["ES384"]
patient_source = "ehr"

[[issuers]]
kind = "opaque"
issuer = "{opaque}"
audience = "{audience}"
patient_source = "ehr"

[issuers.introspection]
client_id = "gateway"
secret = "oidc_provider_secret"
cache_s = {cache_s}
"""
PROXY = '[server.client_certificate]\nproxies = ["127.0.0.1"]\n\n'

Asked = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def both(
    node: str, interop: Any, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Providers]:
    folder = tmp_path_factory.mktemp("oidc")
    with providers(node, interop / "oidc_provider.mjs", folder, client) as started:
        yield started


@pytest.fixture(scope="module")
def url(both: Providers, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with the sandbox's sources, whose callers have tokens of these providers."""
    text = (sandbox.state / "gateway.toml").read_text("utf-8")
    table = re.search(r"\n\[\[issuers\]\]\n.*?\n(?=#|\[)", text, re.DOTALL)
    assert table is not None
    issuers = ISSUERS.format(
        jwt=both.jwt.origin, opaque=both.opaque.origin, audience=AUDIENCE, cache_s=CACHE_S
    )
    changed = text.replace(table[0], issuers).replace("[schema]", f"{PROXY}[schema]")
    settings = sandbox.state / "gateway-oidc.toml"
    settings.write_text(changed, "utf-8")
    (sandbox.state / "secrets" / "oidc_provider_secret").write_text(both.secret)
    with gateway(settings, free_port(), tmp_path_factory.mktemp("oidc") / "gateway.log") as started:
        yield started


@pytest.fixture(scope="module")
def ask(url: str, client: httpx.Client) -> Asked:
    """Asks with a token, and perhaps the certificate that a proxy has seen."""

    def asked(token: str, query: str = QUERY, seen: Certificate | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        if seen is not None:
            headers["Client-Cert"] = seen.client_cert
        return client.post(url, json={"query": query}, headers=headers)

    return asked


@pytest.fixture(params=["jwt", "opaque"])
def provider(request: pytest.FixtureRequest, both: Providers) -> Provider:
    """Each of the two."""
    found: Provider = getattr(both, request.param)
    return found


def is_served(answer: httpx.Response) -> bool:
    """Whether there are data, and nothing but data."""
    told = answer.json()
    return (
        answer.status_code == 200
        and "errors" not in told
        and bool(told["data"]["patient"]["observations"]["nodes"])
    )


def is_refused(answer: httpx.Response) -> bool:
    """Whether the token is said to be no good, and nothing else is said."""
    return (
        answer.status_code == 401
        and answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        and "data" not in answer.json()
    )


def test_a_backend_that_proves_itself_by_key_gets_a_token_that_is_served(
    ask: Asked, provider: Provider, both: Providers
) -> None:
    token = provider.token()
    assert (token.count(".") == 2) == (provider is both.jwt)
    assert is_served(ask(token))
    assert is_served(ask(token))


def test_a_token_for_another_audience_is_refused(ask: Asked, provider: Provider) -> None:
    assert is_refused(ask(provider.token(audience=OTHER_AUDIENCE)))


def test_what_no_provider_has_given_out_is_refused(ask: Asked, both: Providers) -> None:
    token = both.opaque.token()
    assert is_refused(ask(token[:-1]))
    assert is_refused(ask(both.jwt.token()[:-8]))


def test_a_revoked_token_is_refused_as_soon_as_the_cache_is_over(ask: Asked, both: Providers) -> None:
    token = both.opaque.token()
    assert is_served(ask(token))
    both.opaque.revoke(token)
    assert is_refused(eventually(lambda: refusal(ask, token)))


def refusal(ask: Asked, token: str) -> httpx.Response | None:
    answer = ask(token)
    return None if answer.status_code == 200 else answer


def test_a_launch_at_the_provider_gives_its_patient_and_an_id_token_opens_nothing(
    ask: Asked, provider: Provider, sandbox: Sandbox
) -> None:
    answer = provider.launched(PATIENT)
    told = ask(answer["access_token"], "{ me { id } }").json()
    [person] = [one for one in sandbox.summary["patients"] if one["sources"].get("ehr") == "Patient/1001"]
    assert told["data"] == {"me": {"id": person["id"]}}
    assert is_refused(ask(answer["id_token"]))


def test_a_new_key_counts_at_once_and_an_old_one_until_it_is_retired(ask: Asked, both: Providers) -> None:
    provider = both.jwt
    provider.publish("a", max_age_s=600)
    old = provider.token()
    assert is_served(ask(old))
    provider.publish("b", "a", max_age_s=1)
    new = provider.token()
    assert is_served(ask(new)), "at first use, although the keys are good for ten minutes more"
    assert is_served(ask(old))
    provider.publish("b", max_age_s=1)
    assert is_refused(eventually(lambda: refusal(ask, old)))
    assert is_served(ask(new))


def test_a_token_bound_to_a_certificate_is_good_with_that_certificate_alone(
    ask: Asked, provider: Provider
) -> None:
    own, other = certificate("backend"), certificate("other")
    token = provider.token(client_id="bound-backend", certificate=own)
    assert is_served(ask(token, seen=own))
    assert is_refused(ask(token, seen=other))
    assert is_refused(ask(token))
    assert is_served(ask(token, seen=own))


def test_a_certificate_that_no_proxy_has_seen_proves_nothing(url: str, provider: Provider) -> None:
    own = certificate("backend")
    token = provider.token(client_id="bound-backend", certificate=own)
    headers = {"Authorization": f"Bearer {token}", "Client-Cert": own.client_cert}
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(transport=elsewhere, timeout=30.0) as stranger:
        assert is_refused(stranger.post(url, json={"query": QUERY}, headers=headers))


def rows(answer: httpx.Response) -> dict[str, set[str]]:
    """The observations of an answer without an error: id -> categories."""
    told = answer.json()
    assert (answer.status_code, told.get("errors")) == (200, None), told
    return {
        row["id"]: {
            f"{coding['system']}|{coding['code']}"
            for category in row["category"] or ()
            for coding in category["coding"] or ()
        }
        for row in told["data"]["patient"]["observations"]["nodes"]
    }


def test_a_granular_scope_narrows_to_its_category(ask: Asked, provider: Provider) -> None:
    everything = rows(ask(provider.token(WIDE), ROWS))
    wanted = LABORATORY.removeprefix("category=")
    laboratory = {name for name, categories in everything.items() if wanted in categories}
    narrowed = rows(ask(provider.token(NARROW), ROWS))
    assert laboratory, "or the test shows nothing"
    assert laboratory < set(everything)
    assert laboratory <= set(narrowed)
    assert all(wanted in categories for categories in narrowed.values())


def test_what_a_granular_scope_leaves_out_is_not_there_by_its_id_either(
    ask: Asked, provider: Provider
) -> None:
    everything = rows(ask(provider.token(WIDE), ROWS))
    wanted = LABORATORY.removeprefix("category=")
    inside = next(name for name, categories in everything.items() if wanted in categories)
    outside = next(name for name, categories in everything.items() if wanted not in categories)
    query = '{ inside: observation(id: "%s") { id } outside: node(id: "%s") { id } }' % (inside, outside)  # noqa: UP031
    told = ask(provider.token(NARROW), query).json()
    assert told["data"] == {"inside": {"id": inside}, "outside": None}


def test_a_scope_for_one_type_opens_no_other(ask: Asked, provider: Provider) -> None:
    told = ask(provider.token("system/Patient.rs"), QUERY).json()
    assert told["data"]["patient"]["id"]
    assert told["data"]["patient"]["observations"] is None
    assert [error["extensions"]["code"] for error in told["errors"]] == ["UNAUTHORIZED_FIELD_OR_TYPE"]
