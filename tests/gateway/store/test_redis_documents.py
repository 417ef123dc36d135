"""Registered documents in a real Redis: shared by gateways, and while it is killed, slow or full."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from gateway.persisted.names import text_hash
from gateway.persisted.registered import Bounds
from gateway.persisted.settings import DocumentSettings
from gateway.store.redis import open_redis
from gateway.store.redis_documents import ASK_AGAIN_AFTER_S, PAUSE_AFTER_FAILURE_S, RedisRegistered
from gateway.store.store import Store
from tests.gateway.front_door import FrontDoor, code_of
from tests.gateway.issuing import AuthorizationServer, Clock
from tests.gateway.test_persisted import HELLO, LONG, by_hash, register
from tests.redis_socket import until_it_listens

BOUNDS = Bounds(100, 10, 3_600)


class Server:
    """A redis-server that tests may kill, stop and start again."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._options = [binary, "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self._folder = folder
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(self._options, stdout=subprocess.DEVNULL, cwd=self._folder)
        until_it_listens(self.socket, self.process)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)

    def ask(self, *words: str | int) -> object:
        with Redis(unix_socket_path=str(self.socket)) as client:
            return client.execute_command(*words)


class Replicas:
    """Gateways' ways to one server, closed at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stores: list[Store] = []

    def store(self) -> Store:
        self._stores.append(open_redis(self._server.url))
        return self._stores[-1]

    def __call__(self, clock: Clock | None = None, bounds: Bounds = BOUNDS) -> RedisRegistered:
        client = self.store().cache._client  # type: ignore[attr-defined]
        return RedisRegistered(client, "test:", bounds, clock or Clock(0.0))

    async def close(self) -> None:
        for one in self._stores:
            await one.close()


@pytest.fixture
def server(redis_server: str, tmp_path: Path) -> Iterator[Server]:
    made = Server(redis_server, tmp_path)
    yield made
    made.kill()


@pytest.fixture
async def registered(server: Server) -> AsyncIterator[Replicas]:
    made = Replicas(server)
    yield made
    await made.close()


async def test_gateways_on_one_redis_share_what_is_registered(registered: Replicas) -> None:
    bounds = DocumentSettings().bounds
    doors = [FrontDoor(registered=registered.store().registered(bounds)) for _ in range(2)]
    doors[1].issuer.keys = doors[0].issuer.keys
    token = doors[0].token
    assert code_of(await by_hash(doors[1], HELLO, token)) == "PERSISTED_QUERY_NOT_FOUND"
    await register(doors[0], HELLO, token)
    assert (await by_hash(doors[1], HELLO, token)).json()["data"] == {"hello": "world"}
    foreign = AuthorizationServer(*doors[0].issuer.keys).token(client_id="another-app")
    assert code_of(await by_hash(doors[1], HELLO, foreign)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_killed_redis_costs_a_client_one_more_exchange_and_comes_back_by_itself(
    server: Server, registered: Replicas
) -> None:
    clock = Clock(0.0)
    store = registered(clock)
    door = FrontDoor(registered=store)
    await register(door, HELLO)
    server.kill()
    clock.now += ASK_AGAIN_AFTER_S
    assert (await by_hash(door, HELLO)).status_code == 200, "this process knows it"
    assert code_of(await by_hash(door, LONG)) == "PERSISTED_QUERY_NOT_FOUND"
    assert (await register(door, LONG)).status_code == 200
    assert (await by_hash(door, LONG)).status_code == 200
    server.start()  # empty
    clock.now += PAUSE_AFTER_FAILURE_S
    assert (await by_hash(door, HELLO)).status_code == 200
    replica = registered()
    client = next(iter(store._own._clients))
    assert await replica.find(client, text_hash(HELLO)) == HELLO, "what was asked for is there again"


async def test_a_redis_that_hangs_is_waited_for_once(server: Server, registered: Replicas) -> None:
    clock = Clock(0.0)
    store = registered(clock)
    await store.find("client", "a")
    server.process.send_signal(signal.SIGSTOP)
    assert await store.find("client", "a") is None
    calls = [store.find("client", str(number)) for number in range(200)]
    assert await asyncio.wait_for(asyncio.gather(*calls), 5) == [None] * 200
    assert store._next_try_at == PAUSE_AFTER_FAILURE_S
    server.process.send_signal(signal.SIGCONT)
    clock.now += PAUSE_AFTER_FAILURE_S
    assert await store.keep("client", "a", "A")
    assert await registered().find("client", "a") == "A"


async def test_a_full_redis_gives_what_it_has_and_takes_no_more(server: Server, registered: Replicas) -> None:
    store = registered()
    await store.keep("client", "a", "A")
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.ask("CONFIG", "SET", "maxmemory", "1")
    other = registered()
    assert await other.find("client", "a") == "A"
    assert await other.keep("client", "b", "B"), "in this process"
    assert await other.find("client", "b") == "B"
    assert await registered().find("client", "b") is None
    assert other._next_try_at < 0, "a full Redis is not left alone: it still answers"
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert await other.keep("client", "c", "C")
    assert await registered().find("client", "c") == "C"


async def test_use_renews_and_disuse_ends_what_is_registered(server: Server, registered: Replicas) -> None:
    bounds = Bounds(10, 10, 1.0)
    await registered(bounds=bounds).keep("client", "used", "U")
    await registered(bounds=bounds).keep("client", "unused", "N")
    for _ in range(6):
        await asyncio.sleep(0.25)
        assert await registered(bounds=bounds).find("client", "used") == "U"
    assert await registered(bounds=bounds).find("client", "unused") is None
    await asyncio.sleep(1.2)
    assert server.ask("DBSIZE") == 0, "nothing is left of a client that is gone"


async def test_a_flood_stays_within_its_bounds_in_redis(server: Server, registered: Replicas) -> None:
    bounds = Bounds(8, 5, 60)
    quiet = registered(bounds=bounds)
    await quiet.keep("quiet", "a", "A")
    floods = [registered(bounds=bounds) for _ in range(4)]
    for number in range(20):
        await asyncio.gather(
            *(one.keep(f"flood{place % 2}", f"{place}-{number}", "x") for place, one in enumerate(floods))
        )
    assert server.ask("ZCARD", "test:{documents}:used") == 8
    assert server.ask("HLEN", "test:{documents}:texts:flood0") <= 5  # type: ignore[operator]
    assert await registered(bounds=bounds).find("quiet", "a") == "A"


async def test_a_store_that_lost_a_part_is_no_trap(server: Server, registered: Replicas) -> None:
    store = registered()
    await store.keep("client", "a", "A")
    server.ask("DEL", "test:{documents}:texts:client")
    assert await registered().find("client", "a") is None
    await registered().keep("client", "a", "A")
    server.ask("DEL", "test:{documents}:of:client")
    assert await registered().find("client", "a") is None
    assert server.ask("HLEN", "test:{documents}:texts:client") == 0


async def test_what_this_process_forgot_for_want_of_place_is_registered_again(
    server: Server, registered: Replicas
) -> None:
    bounds = Bounds(2, 1, 3_600)
    store = registered(bounds=bounds)
    for hash_ in "aba":
        await store.keep("client", hash_, hash_.upper())
    assert await store.find("client", "a") == "A"
    assert await registered(bounds=bounds).find("client", "a") == "A"
