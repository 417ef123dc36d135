"""An answer kept as bytes means what its decoded form means, entry by entry."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from resolvers.upstreams.errors import UpstreamInvalidResponse
from resolvers.upstreams.fhir_answers import NOT_JSON, Answer
from resolvers.upstreams.fhir_raw import RawAnswer, entry_answers, raw_answer
from resolvers.upstreams.transport import Response
from tests.resolvers.upstreams.sources import observation, outcome

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def whole(body: Any, status: int = 200) -> RawAnswer:
    return RawAnswer("ehr", status, body if isinstance(body, bytes) else encode_json(body), NOW)


def batch(*entries: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "batch-response", "entry": list(entries)}


def entry(status: Any = "200 OK", resource: Any = None, said: Any = None) -> dict[str, Any]:
    held = {} if resource is None else {"resource": resource}
    return {**held, "response": {"status": status} | ({} if said is None else {"outcome": said})}


def meant(found: Any, at: datetime) -> Answer:
    """What one entry of a batch answer means, from its decoded form (R4 http.html 3.1.0.11.2)."""
    response = found.get("response") if isinstance(found, dict) else None
    status = response.get("status") if isinstance(response, dict) else None
    code = status[:3] if isinstance(status, str) else ""
    if not (isinstance(found, dict) and isinstance(response, dict) and code.isascii() and code.isdigit()):
        return Answer(200, None, at)
    return Answer(int(code), found.get("resource") or response.get("outcome"), at)


def test_an_answer_is_decoded_when_asked_and_once() -> None:
    answer = whole(b'{"resourceType":"Basic","value":1.50}')
    assert answer.body == b'{"resourceType":"Basic","value":1.50}'
    assert answer.answer is answer.answer
    assert encode_json(answer.answer.json) == answer.body
    assert whole(b"").answer.json is None


def test_a_success_that_is_no_json_is_an_error_only_when_read() -> None:
    answer = whole(b"<html>")
    with pytest.raises(UpstreamInvalidResponse):
        _ = answer.answer
    assert whole(b"<html>", 502).answer.json is NOT_JSON


def test_only_a_throttling_answer_says_when_to_ask_again() -> None:
    headers = {"Retry-After": "7"}
    assert raw_answer("ehr", Response(429, headers, b"")).retry_after_s == 7
    assert raw_answer("ehr", Response(200, headers, b"")).retry_after_s is None


def test_an_entry_is_the_bytes_that_came() -> None:
    first, second = b'{"resourceType": "Basic",  "n": 1.50}', b'{"resourceType":"OperationOutcome"}'
    body = b'{"resourceType":"Bundle","entry":[{"resource":%s,"response":{"status":"200"}},' % first
    body += b'{"response":{"status":"404 Not Found","outcome":%s}}]}' % second
    found = entry_answers(whole(body), 2)
    assert [(one.status, bytes(one.body)) for one in found] == [(200, first), (404, second)]
    assert found[1].answer.outcome == {"resourceType": "OperationOutcome"}


def test_one_unreadable_entry_does_not_cost_the_others_theirs() -> None:
    body = b'{"entry":[{"resource":{"resourceType":"Basic","a":"\xff"},"response":{"status":"200"}},'
    body += b'{"resource":{"resourceType":"Basic","a":"b"},"response":{"status":"200"}}]}'
    bad, good = entry_answers(whole(body), 2)
    assert good.answer.json == {"resourceType": "Basic", "a": "b"}
    with pytest.raises(UpstreamInvalidResponse):
        _ = bad.answer


@pytest.mark.parametrize(
    "odd",
    [
        entry(resource={}),
        entry(resource={}, said=outcome()),
        entry("404", resource=[], said=outcome()),
        entry(resource=False, said=outcome()),
        {"resource": None, "response": {"status": "410 Gone", "outcome": outcome()}},
        {"resource": observation("1")},
        {"resource": observation("1"), "response": None},
        entry(200, observation("1")),
        entry("ok", observation("1")),
        entry("²00", observation("1")),
        entry(""),
        entry("200"),
        {"response": {"status": "404", "outcome": None}},
        None,
        7,
        [],
    ],
)
def test_an_entry_of_another_shape_means_what_it_meant(odd: Any) -> None:
    usual = entry(resource=observation("2"))
    found = [one.answer for one in entry_answers(whole(batch(odd, usual)), 2)]
    assert found == [meant(odd, NOW), meant(usual, NOW)]


@pytest.mark.parametrize(
    "body",
    [[], None, {}, {"entry": None}, batch(), batch(entry()), batch(entry(), entry(), entry()), {"entry": {}}],
)
def test_entries_that_do_not_fit_the_questions_are_an_error(body: Any) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        entry_answers(whole(body), 2)
    with pytest.raises(UpstreamInvalidResponse):
        entry_answers(whole(b'{"entry":['), 2)


def test_what_refuses_the_batch_refuses_each_question() -> None:
    said = whole(outcome())
    assert entry_answers(said, 2) == [said, said]
    said = whole({**outcome(), "entry": [entry(), entry()]})
    assert entry_answers(said, 2) == [said, said]
    refused = whole(batch(entry(), entry()), 403)
    assert entry_answers(refused, 2) == [refused, refused]


def test_a_byte_order_mark_is_no_obstacle() -> None:
    body = b"\xef\xbb\xbf" + encode_json(batch(entry(resource=observation("1"))))
    (found,) = entry_answers(whole(body), 1)
    assert found.answer.json == observation("1")


_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
_resources = st.fixed_dictionaries({"resourceType": st.sampled_from(["Observation", "Bundle"]), "id": _plain})
_responses = st.fixed_dictionaries(
    {}, optional={"status": st.sampled_from(["200 OK", "404", "50", "x"]) | _plain, "outcome": _plain}
)
_entries = _plain | st.fixed_dictionaries(
    {}, optional={"resource": _resources | _plain, "response": _responses | _plain}
)


@given(st.lists(_entries, max_size=4))
def test_whatever_the_entries_they_mean_what_they_mean_decoded(listed: list[Any]) -> None:
    body = encode_json(batch(*listed))
    found = [one.answer for one in entry_answers(whole(body), len(listed))]
    assert found == [meant(one, NOW) for one in decode_json(body)["entry"]]
