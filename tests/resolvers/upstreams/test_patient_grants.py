"""Patients' grants: renewed once for all callers and replicas, no refresh token twice, sealed, dropped when
revoked."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from resolvers.outcome import SourceStatus
from resolvers.upstreams import grant_renewal
from resolvers.upstreams.credential_settings import PatientGrantCredentials
from resolvers.upstreams.credentials import CredentialParts, open_credential
from resolvers.upstreams.credentials_grant import RenewedGrants
from resolvers.upstreams.errors import (
    GrantMissing,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.grant_store import GrantStoreUnavailable, MemoryGrantStore
from resolvers.upstreams.grants import Grant, GrantUnreadable, Record, Seal, store_key
from resolvers.upstreams.transport import ConnectionLost, Request, Response
from tests.resolvers.upstreams.issuing import TOKEN_URL, Rotating, basic, refused
from tests.resolvers.upstreams.sources import call

KEY = "ab" * 32
SETTINGS = PatientGrantCredentials(
    kind="patient_grant", token_url=TOKEN_URL, client_id="gateway", authentication="client_secret_basic"
)


class Remote(MemoryGrantStore):
    """A store on another machine: others come in between a look and a change."""

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0.001)
        found = await super().get(key)
        await asyncio.sleep(0.001)
        return found

    async def swap(self, key: str, known: bytes | None, value: bytes) -> bool:
        await asyncio.sleep(0.001)
        return await super().swap(key, known, value)


class Deployment:
    """A vendor, a store, and the grants that were handed in: `replica` makes one more process."""

    def __init__(self, *accounts: str, store: Any = None, **settings: Any) -> None:
        self.vendor = Rotating(good={f"{one}-R0": one for one in accounts})
        self.store = store or Remote()
        self.secrets = {"upstream_w_client_secret": "s3cret", "grant_key": KEY}
        self.settings = SETTINGS.model_copy(update=settings)
        self.hand_in({one: {"refresh_token": f"{one}-R0"} for one in accounts})

    def hand_in(self, grants: Mapping[str, Any]) -> None:
        self.secrets["upstream_w_grants"] = json.dumps(grants)

    def replica(self, transport: Any = None) -> RenewedGrants:
        parts = CredentialParts("w", self.secrets, transport or self.vendor.transport("w"), self.store)
        credential = open_credential(self.settings, parts)
        assert isinstance(credential, RenewedGrants)
        return credential

    def record(self, account: str) -> Record:
        sealed = self.store._values[store_key("w", account)]
        return Seal(bytes.fromhex(KEY)).open(sealed, "w", account)


async def token(credential: RenewedGrants, account: str = "42", seconds: float = 5.0) -> str:
    return (await credential.headers(account, call(seconds)))["Authorization"].removeprefix("Bearer ")


async def expire(credential: RenewedGrants, deployment: Deployment, account: str = "42") -> None:
    """The access token's time is over, here and in the store."""
    seal, key = Seal(bytes.fromhex(KEY)), store_key("w", account)
    record = deployment.record(account)
    assert record.grant is not None
    past = Grant(record.grant.access_token, record.grant.refresh_token, time.time() - 1, time.time() - 2)
    deployment.store._values[key] = seal.close(Record(record.seed, past), "w", account)
    credential._held.clear()


async def test_a_refresh_token_brings_an_access_token_by_the_clients_proof() -> None:
    deployment = Deployment("42")
    assert await token(deployment.replica()) == "42-T1"
    (form,) = deployment.vendor.forms
    assert form == {"grant_type": "refresh_token", "refresh_token": "42-R0"}
    assert basic(deployment.vendor.headers[0]) == ("gateway", "s3cret")


async def test_fifty_callers_lead_to_one_renewal() -> None:
    deployment = Deployment("42", "7")
    deployment.vendor.delay_s = 0.02
    replica = deployment.replica()
    found = await asyncio.gather(*(token(replica, account) for account in ("42", "7") * 25))
    assert len(set(found)) == 2
    assert sorted(deployment.vendor.used) == ["42-R0", "7-R0"]


async def test_replicas_share_one_renewal_and_never_use_a_refresh_token_twice() -> None:
    deployment = Deployment("42", "7")
    deployment.vendor.delay_s = 0.05
    replicas = [deployment.replica() for _ in range(5)]
    for turn in range(4):
        found = await asyncio.gather(
            *(token(one, account) for one in replicas for account in ("42", "7") for _ in range(5))
        )
        assert len(set(found)) == 2
        assert len(deployment.vendor.used) == 2 * (turn + 1)
        for account in ("42", "7"):
            await expire(replicas[0], deployment, account)
        for one in replicas:
            one._held.clear()
    assert len(set(deployment.vendor.used)) == len(deployment.vendor.used)


async def test_a_renewed_grant_outlives_the_process_that_renewed_it() -> None:
    deployment = Deployment("42")
    first = deployment.replica()
    assert await token(first) == "42-T1"
    await first.close()
    assert await token(deployment.replica()) == "42-T1"
    assert deployment.vendor.used == ["42-R0"]


async def test_a_grant_is_renewed_before_it_expires_and_nobody_waits_for_it() -> None:
    deployment = Deployment("42")
    replica = deployment.replica()
    await token(replica)
    seed, held = replica._held["42"]
    due = grant_renewal.Held(held.access_token, held.headers, time.time() - 1, held.expires_at)
    replica._held["42"] = (seed, due)
    record = deployment.record("42")
    assert record.grant is not None
    soon = Grant(record.grant.access_token, record.grant.refresh_token, time.time() + 50, time.time() - 1)
    sealed = Seal(bytes.fromhex(KEY)).close(Record(record.seed, soon), "w", "42")
    deployment.store._values[store_key("w", "42")] = sealed
    deployment.vendor.hold.clear()
    assert [await token(replica) for _ in range(3)] == ["42-T1"] * 3
    deployment.vendor.hold.set()
    await asyncio.sleep(0.02)
    assert await token(replica) == "42-T2"
    assert deployment.vendor.used == ["42-R0", "42-R1"]


async def test_a_token_that_the_vendor_refuses_is_renewed_once() -> None:
    deployment = Deployment("42")
    replica, other = deployment.replica(), deployment.replica()
    used, same = await replica.headers("42", call()), await other.headers("42", call())
    assert used == same
    assert await replica.renewed_after_rejection(used, "42", call())
    assert await token(replica) == "42-T2"
    assert await other.renewed_after_rejection(same, "42", call())
    assert await token(other) == "42-T2", "what another replica renewed is taken from the store"
    assert deployment.vendor.used == ["42-R0", "42-R1"]
    again = await replica.headers("42", call())
    assert not await replica.renewed_after_rejection(again, "42", call()), (
        "the source's own word, for a while"
    )
    assert await replica.renewed_after_rejection(used, "42", call())


async def test_a_vendor_that_keeps_its_refresh_tokens_is_asked_with_the_same_one() -> None:
    deployment = Deployment("42")
    deployment.vendor.rotates = False
    replica = deployment.replica()
    await token(replica)
    await expire(replica, deployment)
    assert await token(replica) == "42-T2"
    assert deployment.vendor.used == ["42-R0", "42-R0"]


# ------------------------------------------------------------ no grant, and one no more


async def test_who_granted_nothing_is_not_linked() -> None:
    deployment = Deployment("42")
    replica = deployment.replica()
    with pytest.raises(GrantMissing) as told:
        await token(replica, "99")
    assert told.value.status is SourceStatus.NOT_LINKED
    assert deployment.vendor.forms == []
    assert replica.accounts == {"42"}


async def test_a_revoked_grant_is_dropped_and_asked_about_no_more() -> None:
    deployment = Deployment("42")
    deployment.vendor.good.clear()
    replicas = [deployment.replica() for _ in range(2)]
    for one in replicas * 2:
        with pytest.raises(GrantMissing):
            await token(one)
        assert one.accounts == frozenset()
    assert deployment.vendor.used == ["42-R0"]
    assert deployment.record("42").grant is None, "no token of it is kept"


async def test_a_new_grant_takes_the_place_of_a_revoked_one() -> None:
    deployment = Deployment("42")
    deployment.vendor.good.clear()
    replica = deployment.replica()
    with pytest.raises(GrantMissing):
        await token(replica)
    deployment.hand_in({"42": {"refresh_token": "again"}})
    deployment.vendor.good["again"] = "42"
    replica._handed_in._read_at -= 60
    assert await token(replica) == "42-T2"
    assert replica.accounts == {"42"}


async def test_a_grant_that_is_taken_out_counts_no_more_although_its_token_would_serve() -> None:
    deployment = Deployment("42", "7")
    replica = deployment.replica()
    await token(replica)
    deployment.hand_in({"7": {"refresh_token": "7-R0"}})
    replica._handed_in._read_at -= 60
    with pytest.raises(GrantMissing):
        await token(replica)


async def test_an_access_token_alone_serves_until_it_is_refused() -> None:
    deployment = Deployment()
    deployment.hand_in({"42": "given", "7": {"access_token": "old", "expires_at": time.time() - 5}})
    replica = deployment.replica()
    used = await replica.headers("42", call())
    assert used == {"Authorization": "Bearer given"}
    assert await replica.renewed_after_rejection(used, "42", call())
    for account in ("42", "7"):
        with pytest.raises(UpstreamRejected):
            await token(replica, account)
    assert deployment.vendor.forms == []


# ------------------------------------------------------------ what goes wrong on the way


@pytest.mark.parametrize(
    "answer", [refused("invalid_client", 401), refused("temporarily_unavailable"), refused("x", 429)]
)
async def test_a_refusal_that_is_not_of_the_grant_leaves_it_as_it_was(answer: Any) -> None:
    deployment = Deployment("42")
    deployment.vendor.answers = [answer]
    replica = deployment.replica()
    with pytest.raises(UpstreamError) as told:
        await token(replica)
    assert not isinstance(told.value, GrantMissing)
    assert await token(replica) == "42-T2"


class Broken:
    """A line to the vendor that fails after the request has gone out."""

    def __init__(self, deployment: Deployment, problem: Exception) -> None:
        self._inner = deployment.vendor.transport("w")
        self._problem: Exception | None = problem

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, request: Request, deadline: float) -> Response:
        answer = await self._inner.send(request, deadline)
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        return answer


DOUBTS = [
    lambda: ConnectionLost("w", "w closed the connection."),
    lambda: UpstreamTimeout("w", "w did not answer in time."),
]


@pytest.mark.parametrize("problem", DOUBTS)
async def test_a_refresh_token_whose_answer_was_lost_is_never_used_again(
    problem: Callable[[], Exception],
) -> None:
    deployment = Deployment("42")
    replicas = [deployment.replica(Broken(deployment, problem())), deployment.replica()]
    with pytest.raises(UpstreamError):
        await token(replicas[0])
    for one in replicas:
        with pytest.raises(UpstreamUnavailable) as told:
            await token(one)
        assert told.value.status is SourceStatus.UNAVAILABLE, "a gap, not a person without data"
    assert deployment.vendor.used == ["42-R0"]
    deployment.hand_in({"42": {"refresh_token": "42-R1"}})
    replicas[1]._handed_in._read_at -= 60
    assert await token(replicas[1]) == "42-T2", "a new grant ends the doubt"


async def test_within_the_vendors_own_allowance_a_lost_answer_is_asked_for_again() -> None:
    deployment = Deployment("42", reuse_s=600)
    deployment.vendor.rotates = False
    replica = deployment.replica(Broken(deployment, DOUBTS[0]()))
    with pytest.raises(ConnectionLost):
        await token(replica)
    with pytest.raises(UpstreamUnavailable):
        await token(replica)  # the pause after a doubt
    replica._renewal._paused_until = 0.0
    assert await token(replica) == "42-T2"


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_vendor_that_fails_midway_puts_one_grant_in_doubt_and_not_all(status: int) -> None:
    deployment = Deployment("42", "7", "8")
    deployment.vendor.answers = [PlainTextResponse("", status)]
    replica = deployment.replica()
    for account in ("42", "42", "7", "8"):
        with pytest.raises(UpstreamUnavailable):
            await token(replica, account)
    assert [form["refresh_token"] for form in deployment.vendor.forms] == ["42-R0"]
    replica._renewal._paused_until = 0.0
    assert await token(replica, "7") == "7-T2"


async def test_a_process_that_died_while_it_renewed_leaves_the_grant_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grant_renewal, "CLAIM_S", 0.3)
    deployment = Deployment("42")
    deployment.vendor.hold.clear()
    dying = deployment.replica()
    asked = asyncio.create_task(token(dying))
    await asyncio.sleep(0.05)
    for task in dying._running.values():
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    deployment.vendor.hold.set()
    other = deployment.replica()
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        await token(other)
    assert time.monotonic() - began > 0.1, "it waits while the claim holds"
    assert [form["refresh_token"] for form in deployment.vendor.forms] == ["42-R0"]


async def test_an_end_waits_for_renewals_under_way() -> None:
    deployment = Deployment("42")
    deployment.vendor.delay_s = 0.1
    replica = deployment.replica()
    asked = asyncio.create_task(token(replica))
    await asyncio.sleep(0.02)
    await replica.close()
    assert await asked == "42-T1"
    assert deployment.record("42").spent_at == 0


async def test_a_token_that_still_serves_is_used_while_its_renewal_fails() -> None:
    deployment = Deployment("42")
    deployment.hand_in(
        {"42": {"access_token": "A", "refresh_token": "42-R0", "expires_at": time.time() + 30}}
    )
    deployment.vendor.answers = [PlainTextResponse("", 500)]
    replica = deployment.replica()
    assert [await token(replica) for _ in range(3)] == ["A"] * 3
    assert len(deployment.vendor.forms) == 1


async def test_a_caller_who_leaves_does_not_take_the_grant_from_the_others() -> None:
    deployment = Deployment("42")
    deployment.vendor.hold.clear()
    replica = deployment.replica()
    leaving, staying = (asyncio.create_task(token(replica)) for _ in range(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(UpstreamTimeout):
        await token(replica, seconds=0.05)
    deployment.vendor.hold.set()
    assert await staying == "42-T1"
    assert deployment.vendor.used == ["42-R0"]


class Flaky(MemoryGrantStore):
    """A store that is away while `is_away`, or for the next `misses` questions after a swap."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.fails_after_swaps: int | None = None

    def _check(self) -> None:
        if self.is_away:
            raise GrantStoreUnavailable

    async def get(self, key: str) -> bytes | None:
        self._check()
        return await super().get(key)

    async def swap(self, key: str, known: bytes | None, value: bytes) -> bool:
        self._check()
        done = await super().swap(key, known, value)
        if self.fails_after_swaps is not None:
            self.fails_after_swaps -= 1
            if self.fails_after_swaps == 0:
                raise GrantStoreUnavailable
        return done


async def test_no_refresh_token_is_used_while_the_store_is_away() -> None:
    store = Flaky()
    deployment = Deployment("42", store=store)
    store.is_away = True
    replica = deployment.replica()
    with pytest.raises(UpstreamUnavailable) as told:
        await token(replica)
    assert told.value.status is SourceStatus.UNAVAILABLE
    assert deployment.vendor.forms == []
    store.is_away = False
    assert await token(replica) == "42-T1"


async def test_what_the_vendor_gave_is_kept_although_the_store_fails_for_a_moment() -> None:
    store = Flaky()
    deployment = Deployment("42", store=store)
    store.fails_after_swaps = 3  # the import, the claim, and then the renewed grant
    assert await token(deployment.replica()) == "42-T1"
    assert await token(deployment.replica()) == "42-T1"
    assert deployment.vendor.used == ["42-R0"]


# ------------------------------------------------------------ the seal


TEXT = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


@given(TEXT, TEXT, TEXT, TEXT, st.integers(0, 1000))
@settings(max_examples=60)
def test_a_kept_grant_opens_for_its_own_account_and_key_alone(
    account: str, other: str, access: str, refresh: str, place: int
) -> None:
    seal = Seal(b"k" * 32)
    record = Record("seed", Grant(access, refresh, 5.0))
    sealed = seal.close(record, "w", account)
    assert seal.open(sealed, "w", account) == record
    assert sealed != seal.close(record, "w", account)
    altered = bytearray(sealed)
    altered[place % len(altered)] ^= 1
    attempts = [(Seal(b"o" * 32), sealed, "w", account), (seal, sealed, "x", account)]
    attempts += [
        (seal, bytes(altered), "w", account),
        (seal, sealed[:-1], "w", account),
        (seal, b"", "w", account),
    ]
    if other != account:
        attempts.append((seal, sealed, "w", other))
    for one, content, source, who in attempts:
        with pytest.raises(GrantUnreadable):
            one.open(content, source, who)


async def test_the_store_sees_neither_accounts_nor_tokens() -> None:
    deployment = Deployment("account-4711")
    got = await token(deployment.replica(), "account-4711")
    for key, value in deployment.store._values.items():
        shown = key.encode() + value
        for text in ("4711", "R0", "R1", got):
            assert text.encode() not in shown
    assert "R1" not in repr(deployment.record("account-4711"))


async def test_a_grant_that_another_key_sealed_is_a_gap_and_not_renewed() -> None:
    deployment = Deployment("42")
    await token(deployment.replica())
    deployment.secrets["grant_key"] = "cd" * 32
    with pytest.raises(UpstreamUnavailable):
        await token(deployment.replica())
    assert deployment.vendor.used == ["42-R0"]


@given(st.lists(st.sampled_from(["ask", "refuse", "expire", "lose", "fail", "restart"]), max_size=12))
@settings(max_examples=40)
def test_whatever_happens_no_refresh_token_is_used_twice(events: list[str]) -> None:
    asyncio.run(_events(events))


async def _events(events: list[str]) -> None:
    deployment = Deployment("42")
    replicas = [deployment.replica(), deployment.replica()]
    for place, event in enumerate(events):
        one = replicas[place % 2]
        one._renewal._paused_until = 0.0
        if event == "refuse" and (held := one._held.get("42")):
            await one.renewed_after_rejection(held[1].headers, "42", call())
        elif event == "expire" and store_key("w", "42") in deployment.store._values:
            if (record := deployment.record("42")).grant is not None and not record.spent_at:
                await expire(one, deployment)
        elif event == "lose":
            one._renewal._endpoint._requests._transport = Broken(deployment, DOUBTS[place % 2]())
        elif event == "fail":
            deployment.vendor.answers = [PlainTextResponse("", 503)]
        elif event == "restart":
            replicas[place % 2] = deployment.replica()
        try:
            await asyncio.gather(*(token(each) for each in replicas))
        except UpstreamError:
            pass
    used = [form["refresh_token"] for form in deployment.vendor.forms]
    acted = deployment.vendor.used
    assert len(set(acted)) == len(acted), used
