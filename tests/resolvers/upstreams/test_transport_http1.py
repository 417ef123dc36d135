"""What the direct transport does with its connections: keeps, renews, ends and encrypts them."""

import asyncio
import datetime as dt
import gc
import gzip
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from resolvers.upstreams import transport_http1
from resolvers.upstreams.errors import UpstreamTimeout, UpstreamUnavailable
from resolvers.upstreams.transport import ConnectionLost, Request
from resolvers.upstreams.transport_http1 import Http1Transport
from tests.resolvers.upstreams.loopback import Behave, Conversation, Loopback, loopback, reset

LIMIT = 100_000


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


@asynccontextmanager
async def talking(behave: Behave) -> AsyncIterator[tuple[Http1Transport, Loopback]]:
    async with loopback(behave) as server:
        transport = Http1Transport("ehr", LIMIT)
        await transport.start()
        try:
            yield transport, server
        finally:
            await transport.close()


async def fine(said: Conversation) -> None:
    await said.answer(b"ok")


async def told(transport: Http1Transport, server: Loopback, method: str = "GET") -> bytes:
    body = b"q" if method == "POST" else None
    return (await transport.send(Request(method, f"{server.url}/x", {}, body), soon())).body


async def test_calls_at_once_have_connections_of_their_own_and_leave_them_to_others() -> None:
    async with talking(fine) as (transport, server):
        await asyncio.gather(*(told(transport, server) for _ in range(5)))
        assert server.connections == 5
        await asyncio.gather(*(told(transport, server) for _ in range(5)))
        assert (server.connections, len(server.heads)) == (5, 10)


async def test_a_connection_that_the_source_closes_after_an_answer_is_not_used_again() -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(b"ok", headers="Connection: close\r\n")
        said.writer.close()

    async with talking(behave) as (transport, server):
        for _ in range(3):
            assert await told(transport, server) == b"ok"
        assert server.connections == 3


async def one_answer_each(said: Conversation) -> None:
    """Ends the connection when a second question comes, without a word."""
    if said.server.conversations[0] is said or said.server.connections > 1:
        await said.answer(b"ok")
    else:
        await reset(said)


async def test_a_kept_connection_that_breaks_is_replaced_for_a_get() -> None:
    async with talking(one_answer_each) as (transport, server):
        assert await told(transport, server) == b"ok"
        assert await told(transport, server) == b"ok"
        assert (server.connections, len(server.heads)) == (2, 3)


async def test_what_may_have_been_acted_on_is_not_sent_again_by_itself() -> None:
    async with talking(one_answer_each) as (transport, server):
        assert await told(transport, server, "POST") == b"ok"
        with pytest.raises(ConnectionLost):
            await told(transport, server, "POST")
        assert len(server.heads) == 2


async def test_a_new_connection_that_breaks_is_not_replaced() -> None:
    async with talking(reset) as (transport, server):
        with pytest.raises(ConnectionLost):
            await told(transport, server)
        assert server.connections == 1


async def test_a_connection_that_was_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with talking(fine) as (transport, server):
        await told(transport, server)
        monkeypatch.setattr(transport_http1, "_IDLE_S", 0.0)
        await told(transport, server)
        assert server.connections == 2


async def test_idle_connections_are_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_http1, "_IDLE_S", 0.01)
    async with talking(fine) as (transport, server):
        await asyncio.gather(*(told(transport, server) for _ in range(3)))
        await asyncio.wait_for(server.broken.wait(), 5)  # the server sees the end


async def test_closing_ends_what_is_under_way() -> None:
    arrived = asyncio.Event()

    async def behave(said: Conversation) -> None:
        arrived.set()
        await asyncio.sleep(30)

    async with loopback(behave) as server:
        transport = Http1Transport("ehr", LIMIT)
        await transport.start()
        asking = asyncio.create_task(told(transport, server))
        await asyncio.wait_for(arrived.wait(), 5)
        await transport.close()
        with pytest.raises(ConnectionLost):
            await asking
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1:x/"])
async def test_what_is_no_address_of_a_server_is_not_reached(address: str) -> None:
    async with talking(fine) as (transport, _):
        with pytest.raises(UpstreamUnavailable):
            await transport.send(Request("GET", address, {}), soon())


async def test_a_host_without_an_address_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with talking(fine) as (transport, _):
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(Request("GET", "http://ehr.test/", {}), soon())
        assert not isinstance(caught.value, ConnectionLost)


async def test_a_dead_address_of_a_host_does_not_hide_the_living_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with talking(fine) as (transport, server):
        port = int(server.url.rpartition(":")[2])

        async def both(*_: object, **__: object) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", 1)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        assert (await transport.send(Request("GET", "http://ehr.test/", {}), soon())).body == b"ok"


async def test_a_large_parcel_is_unpacked_beside_the_loop() -> None:
    noise = bytes(range(256)) * 300

    async def behave(said: Conversation) -> None:
        parcel = gzip.compress(noise, compresslevel=0)  # as large as what is in it
        await said.answer(parcel, headers="Content-Encoding: gzip\r\n")

    async with talking(behave) as (transport, server):
        assert await told(transport, server) == noise


# ------------------------------------------------------------ TLS


@asynccontextmanager
async def secure(folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """A server with a certificate of its own for 127.0.0.1: its address, and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ehr.test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + chosen.encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", public


async def _trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with secure(folder) as (url, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        transport = Http1Transport("ehr", LIMIT)
        await transport.start()
        for _ in range(2):
            assert (await transport.send(Request("GET", url, {}), soon())).body == b"http/1.1"
        with pytest.raises(UpstreamUnavailable):  # the certificate is not for that name
            await transport.send(Request("GET", url.replace("127.0.0.1", "localhost"), {}), soon())
        await transport.close()
        await asyncio.sleep(0.05)


async def _untrusted(folder: Path, _: pytest.MonkeyPatch) -> None:
    async with secure(folder) as (url, _certificate):
        transport = Http1Transport("ehr", LIMIT)
        await transport.start()
        with pytest.raises(UpstreamUnavailable):
            await transport.send(Request("GET", url, {}), soon())
        await transport.close()
        await asyncio.sleep(0.05)


LOOPS: list[Callable[[Coroutine[Any, Any, None]], None]] = [asyncio.run, uvloop.run]


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("scene", [_trusted, _untrusted])
def test_only_a_host_with_a_trusted_certificate_is_talked_to(
    run: Any, scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(scene(tmp_path, monkeypatch))
    gc.collect()


@pytest.mark.parametrize("run", LOOPS)
def test_it_works_the_same_on_the_loop_of_production(run: Any) -> None:
    async def behave(said: Conversation) -> None:
        if "/slow" in said.head:
            await asyncio.sleep(30)
        elif "/gone" in said.head:
            await reset(said)
        else:
            await said.answer(b"x" * 90_000)

    async def scene() -> None:
        async with talking(behave) as (transport, server):
            for _ in range(3):
                answer = await transport.send(Request("GET", f"{server.url}/x", {}), soon())
                assert answer.body == b"x" * 90_000
            assert server.connections == 1
            with pytest.raises(UpstreamTimeout):
                await transport.send(Request("GET", f"{server.url}/slow", {}), soon(0.1))
            with pytest.raises(ConnectionLost):
                await transport.send(Request("GET", f"{server.url}/gone", {}), soon())
            task = asyncio.create_task(transport.send(Request("GET", f"{server.url}/slow", {}), soon()))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await transport.send(Request("GET", f"{server.url}/x", {}), soon())).status == 200

    run(scene())
