"""Servers on loopback that misbehave byte by byte, for what only a real connection can show."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behave = Callable[["Conversation"], Awaitable[None]]


@dataclass(slots=True)
class Conversation:
    """One request that came in, and the means to answer it."""

    head: str
    body: bytes
    writer: asyncio.StreamWriter
    server: "Loopback"

    async def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def answer(self, body: bytes, status: str = "200 OK", headers: str = "") -> None:
        await self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


@dataclass(slots=True)
class Loopback:
    """A running server. `heads` are the requests, `connections` how many were opened, `broken` whether the
    other side went away while it was being answered."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    connections: int = 0
    broken: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def loopback(behave: Behave) -> AsyncIterator[Loopback]:
    server = Loopback()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                said = Conversation(head, b"", writer, server)
                if length := said.header("content-length"):
                    said.body = await reader.readexactly(int(length))
                server.heads.append(head)
                server.conversations.append(said)
                await behave(said)
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            server.broken.set()
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()


async def reset(said: Conversation) -> None:
    """Breaks the connection without a word."""
    said.writer.transport.abort()
