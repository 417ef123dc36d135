"""Which searchsets are plain; and these are read as `fhir_entries`, which knows every oddity, reads them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from clinical.codec import decode_json, encode_json
from resolvers.parts import Part, attribute
from resolvers.resource import Location
from resolvers.shape import shape_of
from resolvers.upstreams import fhir_raw
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.fhir_entries import Asked, Entries, read_entries
from resolvers.upstreams.fhir_plain import Decoded, entries_of, kind_of, plain_page
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.upstream import Page, Search
from tests.resolvers.upstreams.sources import (
    BASE,
    PLACE,
    Server,
    bundle,
    call,
    fhir_json,
    observation,
    outcome,
    search,
    statement,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TEXT = Part("text")
QUANTITY = Part(parts=(("value", Part("decimal")), ("unit", TEXT)))
CODING = Part(is_list=True, parts=(("code", TEXT),))
PARTS = (
    ("code", Part(parts=(("text", TEXT), ("coding", CODING)))),
    ("valueQuantity", QUANTITY),
    ("valueInteger", Part("integer")),
    ("valueBoolean", Part("boolean")),
    ("component", Part(is_list=True, parts=(("valueQuantity", QUANTITY),))),
)
SHAPE = shape_of("Observation", PARTS)
NEXT = f"{BASE}/Observation?page=2"
ABOUT = {"subject": {"reference": "Patient/1"}}
Bundle = dict[str, Any]


def asked(page: str | None = None, codes: frozenset[str] = frozenset(), place: Location = PLACE) -> Asked:
    return Asked("ehr", "Observation", place, True, codes, page)


def answer(body: bytes, status: int = 200) -> RawAnswer:
    return RawAnswer("ehr", status, body, NOW)


def read(asking: Asked, body: bytes, status: int = 200) -> Entries | str:
    """What the closer look says: the entries, or the error."""
    try:
        return read_entries(asking, answer(body, status).answer)
    except UpstreamError as error:
        return f"{type(error).__name__}: {error.message}"


def plain(asking: Asked, body: bytes, status: int = 200) -> Page | None:
    """The plain reading, which may be none, but is never another one than the closer look gives."""
    found, whole = plain_page(kind_of(asking, SHAPE), answer(body, status)), read(asking, body, status)
    assert is_same(asking, body, status, whole)
    if found is None or found.plain is None or SHAPE.texts(found.plain.rows, None, []) is None:
        return None
    assert isinstance(whole, Entries), whole
    assert whole.problems == []
    assert (found.next, found.total) == (whole.next, whole.total)
    assert list(map(wanted_of_row, found.plain.rows)) == list(map(wanted_of_json, whole.matches))
    return found


def is_same(asking: Asked, body: bytes, status: int, whole: Entries | str) -> bool:
    try:
        return entries_of(asking, answer(body, status)) == whole
    except UpstreamError as error:
        return f"{type(error).__name__}: {error.message}" == whole


def wanted_of_row(row: Any) -> bytes:
    return encode_json({"id": row.id_} | {name: getattr(row, attribute(name)) for name, _ in PARTS})


def wanted_of_json(json: Any) -> bytes:
    return encode_json({"id": json["id"]} | {name: pick(json.get(name), part) for name, part in PARTS})


def pick(value: Any, part: Part) -> Any:
    if value is None or part.primitive is not None:
        return value
    if part.is_list:
        return [pick(one, Part(None, False, part.parts)) for one in value]
    return {name: pick(value.get(name), below) for name, below in part.parts}


def is_plain(body: Bundle | bytes, asking: Asked | None = None, status: int = 200) -> bool:
    data = body if isinstance(body, bytes) else encode_json(body)
    return plain(asking or asked(), data, status) is not None


def with_entry(entry: Any) -> Bundle:
    made = bundle(observation("1"))
    return {**made, "entry": [*made["entry"], entry]}


def test_a_page_of_matches_is_plain_whatever_else_its_rows_hold() -> None:
    rows = [observation("1", contained=[{"odd": True}], valueQuantity={"value": 5}, note=7), observation("2")]
    assert is_plain(bundle(*rows, next=NEXT, total=40))


def test_an_empty_page_is_plain() -> None:
    assert is_plain(bundle())
    assert is_plain({"resourceType": "Bundle"})


def test_an_entry_that_does_not_say_why_it_is_there_is_a_match() -> None:
    assert is_plain(with_entry({"resource": observation("2")}))
    assert is_plain(with_entry({"resource": observation("2"), "search": {}}))
    assert is_plain(with_entry({"resource": observation("2"), "search": None}))
    assert is_plain(with_entry({"resource": observation("2"), "search": {"mode": None}}))


@pytest.mark.parametrize(
    "entry",
    [
        {"resource": {"resourceType": "Observation"}},
        {"resource": observation("")},
        {"resource": {**observation("2"), "id": None}},
        {"resource": {**observation("2"), "id": 2}},
        {"resource": {**observation("2"), "id": ["2"]}},
        {"resource": {**observation("2"), "id": {"value": "2"}}},
        {"resource": observation("1")},
        {"resource": {"resourceType": "Condition", "id": "2"}},
        {"resource": {"id": "2"}},
        {"resource": {**observation("2"), "resourceType": None}},
        {"resource": {**observation("2"), "resourceType": ["Observation"]}},
        {"resource": None},
        {"resource": "Observation/2"},
        {"resource": [observation("2")]},
        {},
        None,
        "2",
        {"resource": observation("2"), "search": {"mode": "include"}},
        {"resource": {"resourceType": "Patient", "id": "2"}, "search": {"mode": "include"}},
        {"resource": observation("2"), "search": {"mode": "outcome"}},
        {"resource": observation("2"), "search": {"mode": "guess"}},
        {"resource": observation("2"), "search": {"mode": 1}},
        {"resource": outcome(), "search": {"mode": "outcome"}},
        {"resource": outcome("warning", "incomplete")},
    ],
    ids=repr,
)
def test_a_page_with_an_entry_that_is_no_match_of_its_own_is_not_plain(entry: Any) -> None:
    assert not is_plain(with_entry(entry))


@pytest.mark.parametrize(
    "more",
    [
        {"resourceType": "List"},
        {"resourceType": None},
        {"entry": None},
        {"entry": {}},
        {"link": None},
        {"link": [None]},
        {"link": [{"relation": "next"}]},
        {"link": [{"relation": "next", "url": None}]},
        {"link": [{"relation": 1, "url": NEXT}]},
    ],
    ids=repr,
)
def test_a_bundle_of_another_shape_is_not_plain(more: Bundle) -> None:
    assert not is_plain({**bundle(observation("1")), **more})


@pytest.mark.parametrize("body", [outcome(), [], None, "x", 5], ids=repr)
def test_what_is_no_bundle_is_not_plain(body: Any) -> None:
    assert not is_plain(encode_json(body))


def test_a_page_is_plain_only_where_the_source_says_that_all_went_well() -> None:
    body = bundle(observation("1"))
    assert is_plain(body, status=200)
    assert is_plain(body, status=206)
    for status in (199, 304, 400, 404, 500):
        assert not is_plain(body, status=status)


def test_a_next_link_is_followed_within_the_source_only() -> None:
    assert is_plain(bundle(observation("1"), next=NEXT))
    assert is_plain(bundle(observation("1"), next="Observation?page=2"))
    assert is_plain(bundle(observation("1"), next=f"{BASE}/Observation/_search?page=2"))
    assert is_plain({**bundle(observation("1")), "link": [{"relation": "Next", "url": NEXT}]})
    assert not is_plain(bundle(observation("1"), next="https://elsewhere.test/Observation?page=2"))


def test_a_next_link_that_leads_back_to_itself_is_not_plain() -> None:
    assert not is_plain(bundle(observation("1"), next=NEXT), asked(page=NEXT))


def test_a_first_page_that_ends_before_its_total_is_not_plain() -> None:
    assert is_plain(bundle(observation("1"), total=1))
    assert not is_plain(bundle(observation("1"), total=2))
    assert is_plain(bundle(observation("1"), total=2, next=NEXT))
    assert is_plain(bundle(observation("1"), total=2), asked(page=NEXT))
    assert is_plain(bundle(observation("1"), total=0))


@pytest.mark.parametrize("total", [-1, True, "1", "2", Raw(b"1.0"), Raw(b"1e1"), 2**70], ids=repr)
def test_a_total_that_is_no_count_is_not_plain(total: Any) -> None:
    plain(asked(), encode_json(bundle(observation("1"), total=total)))
    assert not is_plain(bundle(observation("1"), total=total))


def test_a_self_link_that_leaves_out_what_was_asked_is_not_plain() -> None:
    told = f"{BASE}/Observation?code=x&_sort=-date"
    codes = frozenset({"code", "_sort"})
    assert is_plain(bundle(observation("1"), link_self=told), asked(codes=codes))
    assert not is_plain(bundle(observation("1"), link_self=told), asked(codes=codes | {"status"}))
    assert is_plain(bundle(observation("1"), link_self=f"{BASE}/Observation"), asked(codes=codes))


@pytest.mark.parametrize(
    "elements",
    [
        {"valueInteger": Raw(b"5.0")},
        {"valueInteger": Raw(b"5e1")},
        {"valueInteger": 2**31},
        {"valueInteger": -(2**31) - 1},
        {"valueInteger": 2**70},
        {"valueInteger": "5"},
        {"valueInteger": True},
        {"valueBoolean": 1},
        {"valueBoolean": "true"},
        {"code": "text"},
        {"code": [{"text": "x"}]},
        {"code": {"text": 5}},
        {"code": {"text": ["x"]}},
        {"code": {"coding": {"code": "x"}}},
        {"code": {"coding": ["x"]}},
        {"code": {"coding": [{"code": 5}]}},
        {"valueQuantity": {"value": "5.10"}},
        {"valueQuantity": {"value": None}},
        {"valueQuantity": {"value": True}},
        {"valueQuantity": {"value": [5]}},
        {"valueQuantity": {"value": {}}},
        {"valueQuantity": {"value": Raw(b"-0")}},
        {"component": [None, {"valueQuantity": {"value": "1"}}]},
        {"component": {"valueQuantity": {"value": 1}}},
        {"status": 5},
        {"status": "entered-in-error"},
        {"subject": 8},
        {"subject": {"reference": 8}},
        {"effectiveDateTime": 2020},
        {"effectivePeriod": "2020"},
        {"effectivePeriod": {"end": 2020}},
        {"effectiveInstant": 2020},
        {"effectiveTiming": "2020"},
    ],
    ids=repr,
)
def test_rows_with_a_wanted_element_of_another_shape_are_not_plain(elements: Bundle) -> None:
    assert not is_plain(bundle(observation("1"), observation("2", **elements)))


@pytest.mark.parametrize(
    "elements",
    [
        {"valueInteger": 2**31 - 1},
        {"valueInteger": -(2**31)},
        {"valueInteger": Raw(b"-0")},
        {"valueInteger": None},
        {"valueBoolean": False},
        {"code": None},
        {"code": {}},
        {"code": {"text": "", "coding": []}},
        {"code": {"coding": [None, {"code": None}, {}]}},
        {"code": {"coding": None}},
        {"valueQuantity": {"unit": "kg"}},
        {"component": [None, {}, {"valueQuantity": None}, {"valueQuantity": {}}]},
        *(
            {"valueQuantity": {"value": Raw(text)}}
            for text in (b"5.10", b"-0.0", b"0", b"1E400", b"1e-9", b"9" * 40, b"-1", b"-0e0")
        ),
    ],
    ids=repr,
)
def test_wanted_elements_are_given_as_recorded(elements: Bundle) -> None:
    assert is_plain(bundle(observation("1"), observation("2", **elements)))


def test_a_number_is_kept_without_the_space_around_it() -> None:
    body = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"1",'
    assert is_plain(body + b'"valueQuantity":{"value" : 5.10 ,"unit":"kg"}}}]}')


def test_of_a_name_that_is_given_twice_the_last_counts() -> None:
    body = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"1","id":"2",'
    assert is_plain(body + b'"valueInteger":5,"valueInteger":null,"code":{"text":"a"},"code":{}}}]}')


@pytest.mark.parametrize(
    "more",
    [
        b'"x":"\xff"',
        b'"\xff":1',
        b'"note":[{"text":"caf\xe9"}]',
        b'"x":"\\ud800"',
        b'"x":"\x01"',
        b'"x":"\\q"',
        b'"x":01',
        b'"x":1.',
        b'"x":+1',
        b'"x":nul',
        b'"x":' + b"[" * 3000 + b"]" * 3000,
    ],
    ids=lambda one: repr(one[:20]),
)
def test_what_is_not_json_is_not_plain_though_nobody_wants_the_element(more: bytes) -> None:
    body = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"1",%s}}]}'
    assert not is_plain(body % more)
    assert not is_plain(b'{"resourceType":"Bundle",%s}' % more)


def test_letters_of_any_language_are_plain() -> None:
    assert is_plain(bundle(observation("1", code={"text": "µg/l, 5 °C, 血圧"}, note=[{"text": "é"}])))


def test_a_byte_order_mark_is_not_plain_but_read() -> None:
    body = b"\xef\xbb\xbf" + encode_json(bundle(observation("1")))
    assert not is_plain(body)
    assert isinstance(read(asked(), body), Entries)


def test_what_the_page_was_asked_of_and_when_goes_with_its_rows() -> None:
    found = plain(asked(), encode_json(bundle(observation("1"))))
    assert found is not None
    page = found.plain
    assert page is not None
    assert (page.source, page.base_url, page.type, page.retrieved_at) == ("ehr", BASE, "Observation", NOW)
    assert page.prefix == "ehr/Observation/"


def test_the_whole_rows_are_decoded_when_they_are_wanted_and_once() -> None:
    broken = Decoded(asked(), (answer(b"no JSON"),))
    with pytest.raises(UpstreamError):
        len(broken)
    page = Decoded(asked(), (answer(encode_json(bundle(*map(observation, "abc")))),))
    assert [one.id for one in page] == ["a", "b", "c"]
    assert (len(page), page[1].id, [one.id for one in page[-1:]]) == (3, "b", ["c"])
    assert page[1] is page[1]
    assert page[1] is list(page)[1]


ODD = st.sampled_from(
    [
        "null",
        "true",
        "0",
        "2147483648",
        "1180591620717411303424",
        "5.10",
        "-0",
        '""',
        '"x"',
        '"entered-in-error"',
        "[]",
        "[null]",
        "{}",
        '{"a":1}',
    ]
).map(lambda text: Raw(text.encode()))


@st.composite
def changed(draw: Any) -> bytes:
    """A good page of which one or two places hold something else, or are gone."""
    rows = [
        observation(
            name,
            **ABOUT,
            status="final",
            code={"text": "t", "coding": [{"code": "c"}]},
            valueQuantity={"value": Raw(b"5.10"), "unit": "kg"},
            valueInteger=5,
            component=[{"valueQuantity": {"value": 1}}],
            effectivePeriod={"start": "2020", "end": "2021"},
        )
        for name in ("1", "2")
    ]
    body = decode_json(encode_json(bundle(*rows, next=NEXT, link_self=f"{BASE}/Observation?code=x", total=9)))
    for _ in range(draw(st.integers(0, 2))):
        holder, key = draw(st.sampled_from(list(_places(body))))
        if isinstance(holder, dict) and draw(st.integers(0, 3)) == 0:
            holder.pop(key, None)
        else:
            holder[key] = draw(ODD)
    return encode_json(body)


def _places(value: Any) -> Any:
    for key, below in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(below, dict | list):
            yield from _places(below)


@settings(max_examples=500)
@given(changed(), st.sampled_from([None, NEXT]), st.sampled_from([frozenset[str](), frozenset({"code"})]))
def test_whatever_is_odd_about_a_page_both_ways_read_it_alike(
    body: bytes, page: str | None, codes: frozenset[str]
) -> None:
    plain(asked(page, codes), body)


def about(number: int, **more: Any) -> Search:
    return search(patient=str(number), patient_parameter="patient", **more)


async def pages_of(
    bodies: list[bytes], status: str, *, is_batch: bool, **more: Any
) -> list[Page | UpstreamError]:
    """The pages of searches about as many patients, asked together."""
    entries = [{"resource": Raw(body), "response": {"status": status}} for body in bodies]
    whole = {"resourceType": "Bundle", "type": "batch-response", "entry": entries}
    left = iter(bodies)

    def handler(request: Any) -> Any:
        return fhir_json(whole if request.method == "POST" else next(left))

    interactions = ("batch",) if is_batch else ()
    source = Server(handler, statement(interactions=interactions)).source()
    return list(await source.search([about(one, **more) for one in range(len(bodies))], call()))


def seen(page: Page | UpstreamError) -> Any:
    """What a page is on a closer look, which is what it is as a plain one."""
    if isinstance(page, UpstreamError):
        return type(page), page.message
    rows = [(one.id, encode_json(one.json)) for one in page.resources]
    if page.plain is not None:
        assert [row.id_ for row in page.plain.rows] == [id_ for id_, _ in rows]
    return rows, page.next, page.total, page.problems


@settings(max_examples=120)
@given(st.lists(changed(), min_size=2, max_size=3), st.sampled_from(["200 OK", "200", "206", "404", "", "2"]))
async def test_pages_that_come_in_a_batch_are_those_that_come_alone(bodies: list[bytes], status: str) -> None:
    whole = await pages_of(bodies, status, is_batch=True)
    typed = await pages_of(bodies, status, is_batch=True, shape=SHAPE)
    assert list(map(seen, typed)) == list(map(seen, whole))
    if status.startswith("20"):
        alone = await pages_of(bodies, status, is_batch=False, shape=SHAPE)
        assert list(map(seen, typed)) == list(map(seen, alone))


async def test_a_batch_with_one_odd_page_has_the_others_whole() -> None:
    bodies = [encode_json(bundle(observation(str(index)), total=1 + index)) for index in range(3)]
    first, *others = await pages_of(bodies, "200 OK", is_batch=True, shape=SHAPE)
    assert isinstance(first, Page)
    assert first.plain is not None
    assert [one.id for one in first.resources] == ["0"]
    for index, page in enumerate(others, 1):
        assert isinstance(page, Page)
        assert page.plain is None
        assert [one.id for one in page.resources] == [str(index)]
        assert page.problems == ("ehr says that there is more than it gave.",)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_batch_with_other_than_the_pages_asked_for_is_nobodys_answer(count: int) -> None:
    bodies = [encode_json(bundle(observation(str(index)))) for index in range(count)]
    entries = [{"resource": Raw(body), "response": {"status": "200"}} for body in bodies]
    whole = {"resourceType": "Bundle", "type": "batch-response", "entry": entries}
    source = Server(lambda request: fhir_json(whole), statement(interactions=("batch",))).source()
    typed = await source.search([about(1, shape=SHAPE), about(2, shape=SHAPE)], call())
    assert list(map(seen, typed)) == list(map(seen, await source.search([about(1), about(2)], call())))
    assert all(isinstance(one, UpstreamError) for one in typed)


@pytest.mark.parametrize("most", [2, 50])
async def test_pages_of_several_batches_are_decoded_once(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(request: Any) -> Any:
        asked = [one["request"]["url"] for one in decode_json(request.content)["entry"]]
        ids = [url.split("patient=Patient/")[1].split("&")[0] for url in asked]
        entries = [
            {"resource": bundle(observation(f"of-{one}")), "response": {"status": "200 OK"}} for one in ids
        ]
        return fhir_json({"resourceType": "Bundle", "type": "batch-response", "entry": entries})

    def cut(*_: Any) -> Any:
        raise AssertionError("a batch was read a second time")

    monkeypatch.setattr(fhir_raw, "entry_answers", cut)
    server = Server(handler, statement(interactions=("batch",)))
    source = server.source(capabilities={"bundle_entries_max": most})
    pages = await source.search([about(one, shape=SHAPE) for one in (3, 1, 2, 5, 4, 6)], call())
    assert len(server.seen) == 6 // min(most, 6)
    found = [page.plain.rows for page in pages if isinstance(page, Page) and page.plain is not None]
    assert [[row.id_ for row in rows] for rows in found] == [[f"of-{n}"] for n in (3, 1, 2, 5, 4, 6)]


ADDRESSES = [
    NEXT,
    f"{BASE}/Observation?code=x&_sort=-date",
    f"{BASE}/Observation?patient=1&code=x",
    f"{BASE}/Observation?patient=1&_sort=-date",
    f"{BASE}/Observation?encode=x",
    "Observation?page=3",
    "http://elsewhere.test/fhir?page=2",
    f"{BASE}/../Observation?code=x",
    "",
]


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["self", "self", "next", "next", "Next", "last"]), st.sampled_from(ADDRESSES)
        ),
        max_size=3,
    ),
    st.sampled_from([None, 0, 1, 2, -1]),
    st.sampled_from([None, NEXT]),
    st.sampled_from([frozenset[str](), frozenset({"code"}), frozenset({"code", "_sort"})]),
)
def test_whatever_the_links_both_ways_follow_them_alike(
    links: list[tuple[str, str]], total: int | None, page: str | None, codes: frozenset[str]
) -> None:
    listed = [{"relation": relation, "url": url} for relation, url in links]
    plain(asked(page, codes), encode_json({**bundle(observation("1"), total=total), "link": listed}))


def test_a_self_link_and_a_next_link_after_it_are_plain() -> None:
    told = {"relation": "self", "url": f"{BASE}/Observation?patient=1&code=x"}
    body = {**bundle(observation("1"), total=7), "link": [told, {"relation": "next", "url": NEXT}]}
    found = plain(asked(codes=frozenset({"code"})), encode_json(body))
    assert found is not None
    assert found.next == NEXT
