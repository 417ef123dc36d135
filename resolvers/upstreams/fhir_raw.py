"""What a FHIR server answered, as bytes: who needs few elements of a large answer decodes them himself.

The entries of a batch answer (R4 http.html 3.1.0.11.2) are cut out without being decoded.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, overload

import msgspec

from clinical.codec import JsonInvalid, decode_json, encode_json
from resolvers.upstreams.errors import UpstreamInvalidResponse
from resolvers.upstreams.fhir_answers import NOT_JSON, Answer
from resolvers.upstreams.fhir_bundles import decoded_batch
from resolvers.upstreams.staleness import CACHE_STATUS, WARNING, is_stale
from resolvers.upstreams.throttling import retry_after_s
from resolvers.upstreams.transport import Response

_NOTHING: Final = msgspec.Raw(b"")
_SHORTEST_RESOURCE: Final = len(b'{"resourceType":"Task"}')


class RawAnswer(msgspec.Struct, eq=False):
    """One answer: HTTP's status (or that of a Bundle entry) and the body, empty where there is none."""

    source: str
    status: int
    body: bytes | msgspec.Raw
    retrieved_at: datetime
    retry_after_s: float | None = None
    is_stale: bool = False
    """Whether it was kept from before, because the server did not answer."""
    _answer: Answer | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def answer(self) -> Answer:
        """The answer decoded, once. Raises UpstreamInvalidResponse where a success is no JSON."""
        known = self._answer
        if known is None:
            waits, stale = self.retry_after_s, self.is_stale
            known = self._answer = Answer(self.status, self._json(), self.retrieved_at, waits, stale)
        return known

    def _json(self) -> Any:
        if not self.body:
            return None
        try:
            return decode_json(self.body)
        except JsonInvalid as problem:
            if self.is_success:
                raise UpstreamInvalidResponse(
                    self.source, f"{self.source} gave an answer that is not JSON.", detail=str(problem)
                ) from problem
            return NOT_JSON


def raw_answer(source: str, response: Response) -> RawAnswer:
    """What came over HTTP, now."""
    status, headers = response.status, response.headers
    wait = retry_after_s(headers) if status in (429, 503) else None
    stale = (WARNING in headers or CACHE_STATUS in headers) and is_stale(headers)
    return RawAnswer(source, status, response.body, datetime.now(UTC), wait, stale)


class _EntryResponse(msgspec.Struct):
    status: str = ""
    outcome: msgspec.Raw = _NOTHING


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = _NOTHING
    response: _EntryResponse = msgspec.field(default_factory=_EntryResponse)


class _Batch(msgspec.Struct):
    entry: list[_Entry]
    kind: str = msgspec.field(default="", name="resourceType")


_batches: Final = msgspec.json.Decoder(_Batch)


class TypedAnswers(Sequence[RawAnswer]):
    """The answers in a batch answer, each a success, decoded in one pass to the rows that their questions
    want: `bundles`. The entries themselves are cut out, once, when the first is asked for."""

    __slots__ = ("_cut", "bundles", "whole")

    def __init__(self, whole: RawAnswer, bundles: Sequence[Any]) -> None:
        self.whole = whole
        self.bundles = bundles
        self._cut: Sequence[RawAnswer] | None = None

    def __len__(self) -> int:
        return len(self.bundles)

    @overload
    def __getitem__(self, index: int) -> RawAnswer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RawAnswer]: ...
    def __getitem__(self, index: int | slice) -> RawAnswer | Sequence[RawAnswer]:
        if self._cut is None:
            self._cut = entry_answers(self.whole, len(self.bundles))
        return self._cut[index]


def typed_answers(whole: RawAnswer, rows: Sequence[Any]) -> Sequence[RawAnswer]:
    """The answer in each entry of a batch answer, with the rows that its question wants (None: not known)."""
    if whole.is_success and None not in rows and (found := decoded_batch(whole.body, rows)) is not None:
        return TypedAnswers(whole, found)
    return entry_answers(whole, len(rows))


def entry_answers(whole: RawAnswer, count: int) -> list[RawAnswer]:
    """The answer in each entry of a batch answer; where it refuses the batch, that to each question.

    Raises UpstreamInvalidResponse where the entries do not fit the questions, or it is no JSON.
    """
    if not whole.is_success:
        return [whole] * count
    try:
        batch = _batches.decode(whole.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _odd_entry_answers(whole, count)
    if batch.kind == "OperationOutcome" or any(map(_is_doubtful, batch.entry)):
        return _odd_entry_answers(whole, count)
    if len(batch.entry) != count:
        raise _misfit(whole.source)
    return [
        _entry_answer(whole, one.response.status, one.resource or one.response.outcome) for one in batch.entry
    ]


def _is_doubtful(entry: _Entry) -> bool:
    """Whether the resource is there but too short to be one, such as null."""
    return 0 < len(entry.resource) < _SHORTEST_RESOURCE


def _odd_entry_answers(whole: RawAnswer, count: int) -> list[RawAnswer]:
    """The same for answers that are not of the usual shape."""
    answer = whole.answer
    if answer.outcome is not None:
        return [whole] * count
    entries = answer.json.get("entry") if isinstance(answer.json, dict) else None
    if not isinstance(entries, list) or len(entries) != count:
        raise _misfit(whole.source)
    return [_odd_entry_answer(whole, entry) for entry in entries]


def _odd_entry_answer(whole: RawAnswer, entry: object) -> RawAnswer:
    response = entry.get("response") if isinstance(entry, dict) else None
    status = response.get("status") if isinstance(response, dict) else None
    if not (isinstance(entry, dict) and isinstance(response, dict) and isinstance(status, str)):
        return RawAnswer(whole.source, 200, b"", whole.retrieved_at)
    body = entry.get("resource") or response.get("outcome")
    return _entry_answer(whole, status, b"" if body is None else encode_json(body))


def _entry_answer(whole: RawAnswer, status: str, body: bytes) -> RawAnswer:
    code = status[:3]
    if not (code.isascii() and code.isdigit()):
        return RawAnswer(whole.source, 200, b"", whole.retrieved_at)
    return RawAnswer(whole.source, int(code), body, whole.retrieved_at, None, whole.is_stale)


def _misfit(source: str) -> UpstreamInvalidResponse:
    return UpstreamInvalidResponse(source, f"{source} gave a batch answer that does not fit the questions.")
