"""One HTTP/1.1 connection, byte by byte: what is an answer, what is not, and when it may be used again."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.upstreams.http1_connection import Connection, ExchangeFailed, Failure, Received

LIMIT = 1_000
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3 \r\nllo\r\n0\r\nX-Late: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + PLAIN
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhello"


class Wire:
    """A network transport that remembers."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.is_aborted = True

    close = abort


def asked() -> tuple[Connection, Wire, "asyncio.Future[Received]"]:
    """A connection on which one question is open."""
    connection, wire = Connection(asyncio.get_running_loop(), LIMIT), Wire()
    connection.connection_made(cast(asyncio.BaseTransport, wire))
    return connection, wire, connection.ask(b"GET / HTTP/1.1\r\n\r\n")


def feed(connection: Connection, parts: Sequence[bytes]) -> None:
    for part in parts:
        connection.data_received(part)


def failure(answer: "asyncio.Future[Received]") -> Failure:
    problem = answer.exception()
    assert isinstance(problem, ExchangeFailed)
    return problem.failure


@pytest.mark.parametrize("text", [PLAIN, CHUNKED, INTERIM])
async def test_a_whole_answer_leaves_the_connection_for_the_next(text: bytes) -> None:
    connection, wire, first = asked()
    feed(connection, [text])
    assert first.result().body == b"hello"
    assert connection.is_reusable
    second = connection.ask(b"GET /2 HTTP/1.1\r\n\r\n")
    feed(connection, [text])
    assert (second.result().status, second.result().body) == (200, b"hello")
    assert len(wire.written) == 2
    assert not wire.is_aborted


async def test_headers_are_found_in_any_case_the_first_of_several() -> None:
    connection, _, answer = asked()
    feed(connection, [b"HTTP/1.1 204 No\r\nretry-After:  5 \r\nRETRY-AFTER: 6\r\nX-A: \xe9\r\n\r\n"])
    headers = answer.result().headers
    assert headers["Retry-After"] == headers["retry-after"] == "5"
    assert "retry-after" in headers
    assert "Retry-Later" not in headers
    assert headers.get("none") is None
    assert len(headers) == len(list(headers)) == 2


@pytest.mark.parametrize("text", [PLAIN, CHUNKED, INTERIM, INTERIM.replace(b"103 Early Hints", b"100 Go")])
@given(data=st.data())
def test_it_does_not_matter_in_which_pieces_an_answer_comes(text: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]

    async def run() -> None:
        connection, _, answer = asked()
        feed(connection, parts)
        assert (answer.result().status, answer.result().body) == (200, b"hello")
        assert connection.is_reusable

    asyncio.run(run())


@given(st.lists(st.binary(max_size=40) | st.sampled_from([PLAIN, PLAIN[:30], CHUNKED, b"\r\n"]), max_size=5))
def test_whatever_comes_is_an_answer_or_a_failure(parts: list[bytes]) -> None:
    async def run() -> None:
        connection, _, answer = asked()
        feed(connection, parts)
        connection.connection_lost(None)
        assert answer.done()
        assert isinstance(answer.exception(), ExchangeFailed | None)
        assert not connection.is_reusable

    asyncio.run(run())


async def test_a_body_of_no_stated_length_ends_with_the_connection() -> None:
    connection, _, answer = asked()
    feed(connection, [TO_THE_END])
    assert not answer.done()
    connection.eof_received()
    connection.connection_lost(None)
    assert answer.result().body == b"hello"
    assert not connection.is_reusable


@pytest.mark.parametrize("text", [PLAIN[:-1], CHUNKED[:-2], PLAIN[:20], b"H"])
async def test_an_end_before_the_end_is_a_failure(text: bytes) -> None:
    connection, _, answer = asked()
    feed(connection, [text])
    connection.connection_lost(None)
    assert failure(answer) is Failure.CUT_SHORT


async def test_a_body_of_no_stated_length_that_breaks_off_is_a_failure() -> None:
    connection, _, answer = asked()
    feed(connection, [TO_THE_END])
    connection.connection_lost(ConnectionResetError())
    assert failure(answer) is Failure.CUT_SHORT


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_an_end_before_the_answer_is_told_apart(before: bytes) -> None:
    connection, _, answer = asked()
    feed(connection, [before] if before else [])
    connection.connection_lost(None)
    assert failure(answer) is Failure.LOST


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_what_is_not_an_answer_ends_the_connection(text: bytes) -> None:
    connection, wire, answer = asked()
    feed(connection, [text])
    assert failure(answer) is Failure.CUT_SHORT
    assert wire.is_aborted
    assert not connection.is_reusable


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(b"X-A: 1", b"Connection: close"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN + b"HTTP/1.1 200",
        PLAIN + PLAIN,
        PLAIN + b"garbage",
    ],
)
async def test_an_answer_may_be_whole_and_the_connection_not_good_for_another(text: bytes) -> None:
    connection, _, answer = asked()
    feed(connection, [text])
    assert answer.result().body == b"hello"
    assert not connection.is_reusable


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    connection, wire, _ = asked()
    feed(connection, [PLAIN])
    feed(connection, [PLAIN])
    assert wire.is_aborted
    assert not connection.is_reusable


async def test_a_connection_that_the_source_ends_is_not_used_again() -> None:
    connection, _, _ = asked()
    feed(connection, [PLAIN])
    connection.eof_received()
    assert not connection.is_reusable


# ------------------------------------------------------------ limits


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
async def test_a_body_is_as_long_as_the_limit_at_most(size: int) -> None:
    connection, wire, answer = asked()
    feed(connection, [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size])
    if size == LIMIT:
        assert len(answer.result().body) == LIMIT
    else:
        assert failure(answer) is Failure.TOO_LARGE
    assert wire.is_aborted is (size > LIMIT)


async def test_an_announced_length_above_the_limit_is_not_waited_for() -> None:
    connection, _, answer = asked()
    feed(connection, [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (LIMIT + 1)])
    assert failure(answer) is Failure.TOO_LARGE


async def test_a_body_without_end_is_stopped_at_the_limit() -> None:
    connection, _, answer = asked()
    feed(connection, [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 100] * 10])
    assert not answer.done()
    feed(connection, [b"x"])
    assert failure(answer) is Failure.TOO_LARGE


async def test_headers_without_end_are_stopped() -> None:
    connection, wire, answer = asked()
    feed(connection, [b"HTTP/1.1 200 OK\r\n", *[b"X-A: " + b"a" * 995 + b"\r\n"] * 70])
    assert failure(answer) is Failure.CUT_SHORT
    assert wire.is_aborted


async def test_time_can_run_out() -> None:
    connection, wire, answer = asked()
    connection.expire()
    assert failure(answer) is Failure.TIMED_OUT
    assert wire.is_aborted


async def test_a_question_that_was_given_up_leaves_nothing_behind() -> None:
    connection, wire, answer = asked()
    answer.cancel()
    connection.abort()
    feed(connection, [PLAIN])
    connection.connection_lost(None)
    assert wire.is_aborted
    assert answer.cancelled()
