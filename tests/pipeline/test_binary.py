"""Attachments come from the gateway, through both doors, and never by a source's own address."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.population.model import Population
from tests.pipeline.asking import Gateway
from tests.pipeline.odd_source import (
    fixed,
    hanging,
    until_disconnected,
)
from tests.pipeline.paper_house import (
    BINARY,
    MAX_BYTES,
    MINE,
    OTHERS,
    SHOWN,
    PaperHouse,
    document,
    labelled,
    paper_house,
)
from tests.running import Sandbox, eventually

Json = dict[str, Any]

PDF = "application/pdf"
PDF_HEADERS = [(b"content-type", PDF.encode())]
ENCODED = base64.b64encode(BINARY).decode()
INLINE = base64.b64encode(b"words").decode()

RESOURCES: list[Json] = [
    {"resourceType": "Binary", "id": "b1", "contentType": PDF, "data": ENCODED},
    {"resourceType": "Binary", "id": "photo", "contentType": "image/png", "data": ENCODED},
    document("relative", "Binary/b1"),
    document("absolute", "{base}/Binary/b1"),
    document("file", "files/letter.pdf?page=1"),
    document("others", "Binary/b1", OTHERS),
    document("secret", "Binary/b1", meta=labelled("R")),
    document("sensitive", "Binary/b1", meta=labelled("HIV")),
    document("not-for-patients", "Binary/b1", meta=labelled("NOPAT")),
    document("unstated", "Binary/b1"),
    document("foreign", "{elsewhere}/fhir/Binary/b1"),
    document("way-around", f"Patient/{OTHERS}"),
    document("outside", "{base}/../admin"),
    document("not-http", "file:///etc/passwd"),
    document("not-text", 7),
    document("inline", None, content=[{"attachment": {"contentType": "text/plain", "data": INLINE}}]),
    {
        **document("inside", None, content=[]),
        "contained": [document("c1", "Binary/b1")],
        "relatesTo": [{"code": "appends", "target": {"reference": "#c1"}}],
    },
    {
        **document("extended", None, content=[]),
        "extension": [{"url": "urn:made-up", "valueAttachment": {"contentType": PDF, "url": "Binary/b1"}}],
    },
    {
        **document("authored", None, content=[]),
        "author": [{"reference": "Practitioner/doctor"}],
    },
    {
        "resourceType": "Practitioner",
        "id": "doctor",
        "photo": [{"contentType": "image/png", "url": "Binary/photo"}],
    },
]
FOREIGN = ("foreign", "way-around", "outside", "not-http")


@pytest.fixture(scope="module")
def house(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PaperHouse]:
    with paper_house(sandbox, population, tmp_path_factory.mktemp("paper"), RESOURCES) as built:
        yield built
        assert built.elsewhere.seen == []


# ------------------------------------------------------------ the bytes, and how they are sent


@pytest.mark.parametrize("id_", ["relative", "absolute"])
def test_the_bytes_are_those_of_the_source(house: PaperHouse, id_: str) -> None:
    answer = house.fetch(house.url(id_))
    assert (answer.status, answer.content) == (200, BINARY)
    headers = {name: answer.headers.get(name) for name in (
        "content-type", "content-length", "content-disposition", "x-content-type-options", "cache-control",
        "content-security-policy",
    )}  # fmt: skip
    assert headers == {
        "content-type": PDF,
        "content-length": str(len(BINARY)),
        "content-disposition": "attachment",
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
        "content-security-policy": "sandbox; default-src 'none'",
    }
    assert answer.headers["x-request-id"]


def test_a_patient_fetches_the_own_document(house: PaperHouse) -> None:
    assert house.fetch(house.url("relative"), house.own()).content == BINARY


def test_the_source_is_asked_with_the_gateways_credential_and_for_data_as_they_are(house: PaperHouse) -> None:
    url = house.url("relative")
    house.odd.seen.clear()
    house.fetch(url)
    (seen,) = house.asked()
    assert seen.headers["authorization"] == "Bearer the-odd-sources-own-token"
    assert seen.headers["accept"] == "application/pdf, */*;q=0.5"
    assert seen.headers["accept-encoding"] == "identity"
    assert house.asked("/DocumentReference") != []


def test_a_file_below_the_base_is_fetched(house: PaperHouse) -> None:
    url = house.url("file")
    with house.odd.doing(fixed(200, BINARY, PDF), "/files/letter.pdf"):
        assert house.fetch(url).content == BINARY
        (seen,) = house.asked("/files")
    assert seen.query == "page=1"


def test_a_binary_as_json_is_unwrapped(house: PaperHouse) -> None:
    binary = {"resourceType": "Binary", "contentType": "text/plain; charset=utf-8", "data": ENCODED}
    with house.odd.doing(fixed(200, json.dumps(binary).encode()), "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
    assert (answer.content, answer.headers["content-type"]) == (BINARY, "text/plain; charset=utf-8")
    assert answer.headers["content-length"] == str(len(BINARY))


def test_a_head_says_what_a_get_would(house: PaperHouse) -> None:
    answer = house.fetch(house.url("relative"), method="HEAD")
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(BINARY))
    assert answer.headers["content-type"] == PDF


def test_data_in_the_element_stay_there(house: PaperHouse) -> None:
    attachment = house.shown("inline").whole()["documentReference"]["content"][0]["attachment"]
    assert attachment == {"contentType": "text/plain", "url": None, "data": INLINE}


def test_an_attachment_keeps_its_address(house: PaperHouse) -> None:
    assert house.url("relative") == house.url("relative") != house.url("absolute")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_an_attachment_can_only_be_read(house: PaperHouse, method: str) -> None:
    answer = house.fetch(house.url("relative"), method=method)
    assert (answer.status, answer.codes) == (405, ["OPERATION_NOT_ALLOWED"])
    assert answer.headers["allow"] == "GET, HEAD"


NESTED = {
    "inside": """query($id: ID!) { documentReference(id: $id) { contained { ... on DocumentReference {
        content { attachment { url } } } } } }""",
    "extended": """query($id: ID!) { documentReference(id: $id) {
        extension { valueAttachment { url } } } }""",
    "authored": """query($id: ID!) { documentReference(id: $id) { author { resource {
        ... on Practitioner { photo { url } } } } } }""",
}


def found_url(value: Any) -> str:
    """The one `url` in an answer."""
    if isinstance(value, list):
        (value,) = value
    (inner,) = value.values()
    return str(inner) if "url" in value else found_url(inner)


@pytest.mark.parametrize("id_", NESTED)
def test_attachments_are_found_wherever_they_lie(house: PaperHouse, id_: str) -> None:
    url = found_url(house.own().ask(NESTED[id_], id=f"odd/DocumentReference/{id_}").whole())
    assert house.fetch(url, house.own()).content == BINARY


def test_a_photo_is_fetched_as_its_patient_is_shown(house: PaperHouse) -> None:
    query = "query($id: ID!) { patient(id: $id) { photo { url } } }"
    (photo,) = house.gateway.ask(query, id=f"odd/Patient/{OTHERS}").whole()["patient"]["photo"]
    assert house.fetch(photo["url"]).content == BINARY
    assert house.fetch(photo["url"], house.own()).status == 404
    theirs = house.own(patient=f"odd/Patient/{OTHERS}")
    assert house.fetch(photo["url"], theirs).content == BINARY


# ------------------------------------------------------------ addresses that are not the gateway's


@pytest.mark.parametrize("id_", FOREIGN)
def test_an_address_that_is_not_fetched_from_is_not_shown(house: PaperHouse, id_: str) -> None:
    told = house.shown(id_)
    assert told.data["documentReference"]["content"][0]["attachment"]["url"] is None
    assert told.codes == ["REFERENCE_NOT_FOUND"]
    assert told.errors[0]["path"] == ["documentReference", "content", 0, "attachment", "url"]
    assert told.errors[0]["extensions"]["source"] == "odd"


def test_a_url_that_is_no_text_is_an_error_at_its_place(house: PaperHouse) -> None:
    assert house.shown("not-text").codes == ["UPSTREAM_INVALID_RESPONSE"]


def test_no_answer_holds_an_address_of_a_source(house: PaperHouse) -> None:
    sources = [urlsplit(house.odd.base_url).netloc, urlsplit(house.elsewhere_url).netloc, "file:", "Binary/"]
    ids = [one["id"] for one in RESOURCES if one["resourceType"] == "DocumentReference"]
    texts = [house.shown(id_).content.decode() for id_ in ids]
    with house.odd.doing(fixed(500, b"at http://secret.test/"), "/Binary/b1"):
        texts.append(house.fetch(house.url("relative")).content.decode())
    assert [(text, one) for text in texts for one in [*sources, "secret.test"] if one in text] == []


def test_a_redirect_of_the_source_is_not_followed(house: PaperHouse) -> None:
    away = fixed(302, b"", PDF, location=f"{house.elsewhere_url}/fhir/Binary/b1")
    with house.odd.doing(away, "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
    assert (answer.status, answer.codes) == (502, ["UPSTREAM_INVALID_RESPONSE"])
    assert "location" not in answer.headers


# ------------------------------------------------------------ who may


def test_without_a_token_nothing_is_asked(house: PaperHouse) -> None:
    url = house.url("relative")
    house.odd.seen.clear()
    for token in (None, "no-token"):
        answer = house.fetch(url, house.gateway.with_token(token))
        assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert house.odd.seen == []


@pytest.mark.parametrize("scope", ["patient/Patient.rs", "patient/DocumentReference.s"])
def test_a_scope_to_read_the_naming_type_is_needed_and_no_scope_for_binary(
    house: PaperHouse, scope: str
) -> None:
    url = house.url("relative")
    house.odd.seen.clear()
    answer = house.fetch(url, house.own(scope))
    assert (answer.status, answer.codes) == (403, ["UNAUTHORIZED_FIELD_OR_TYPE"])
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert house.asked() == house.asked("/DocumentReference") == []
    assert house.fetch(url, house.own("patient/DocumentReference.r")).status == 200


@pytest.mark.parametrize("scope", ["openid", "patient/Binary.rs"])
def test_a_token_that_permits_nothing_is_refused(house: PaperHouse, scope: str) -> None:
    answer = house.fetch(house.url("relative"), house.own(scope))
    assert (answer.status, answer.codes) == (403, ["FORBIDDEN"])


def test_another_patients_document_withheld_and_unknown_ids_are_told_alike(house: PaperHouse) -> None:
    good = house.url("relative")
    kept = {id_: house.url(id_) for id_ in ("others", "not-for-patients")}
    cleared = house.gateway.with_token(
        house.sandbox.minted(scope="system/*.rs clearance.restricted clearance.sensitive")
    )
    for id_ in ("secret", "sensitive"):
        kept[id_] = house.shown(id_, cleared).whole()["documentReference"]["content"][0]["attachment"]["url"]
        assert house.fetch(kept[id_], cleared).content == BINARY
    name = good.removeprefix("/binary/")
    forged = [
        "x",
        "b1",
        name[:-2],
        name + "A",
        name + "=",
        name[:20] + ("B" if name[20] == "A" else "A") + name[21:],
        name.swapcase(),
        "A" * 500,
        "%00",
        "%E2%82%AC",
    ]
    house.odd.seen.clear()
    answers = {
        url: house.fetch(url, house.own()) for url in (*kept.values(), *(f"/binary/{one}" for one in forged))
    }
    for answer in answers.values():
        (error,) = answer.errors
        assert (answer.status, error["message"]) == (404, "There is no such attachment.")
        assert error["extensions"] == {
            "code": "REFERENCE_NOT_FOUND",
            "requestId": answer.headers["x-request-id"],
        }
    assert house.asked() == []


def test_a_narrowed_scope_is_looked_at(house: PaperHouse) -> None:
    url = house.url("relative")
    narrowed = house.own("patient/DocumentReference.r?status=superseded")
    assert house.fetch(url, narrowed).status == 404
    assert house.fetch(url, house.own("patient/DocumentReference.r?status=current")).status == 200


@pytest.mark.parametrize(
    ("context", "status"),
    [
        (f"Patient/{MINE}", 200),
        ("DocumentReference/relative", 200),
        ("DocumentReference/absolute", 200),
        (f"Patient/{OTHERS}", 404),
        ("DocumentReference/others", 404),
        ("DocumentReference/secret", 404),
        ("DocumentReference/gone", 404),
        ("http://elsewhere.test/fhir/Patient/p1", 404),
        ("Group/g1", 404),
        ("nonsense", 404),
    ],
)
@pytest.mark.parametrize("form", ["raw", "json"])
def test_a_security_context_of_the_source_holds(
    house: PaperHouse, context: str, status: int, form: str
) -> None:
    binary = {
        "resourceType": "Binary",
        "contentType": PDF,
        "data": ENCODED,
        "securityContext": {"reference": context},
    }
    body = json.dumps(binary).encode()
    odd = fixed(200, body) if form == "json" else fixed(200, BINARY, PDF, x_security_context=context)
    with house.odd.doing(odd, "/Binary/b1"):
        assert house.fetch(house.url("relative"), house.own()).status == status


def test_labels_of_the_binary_hold(house: PaperHouse) -> None:
    binary = {"resourceType": "Binary", "contentType": PDF, "data": ENCODED, "meta": labelled("HIV")}
    with house.odd.doing(fixed(200, json.dumps(binary).encode()), "/Binary/b1"):
        assert house.fetch(house.url("relative")).codes == ["REFERENCE_NOT_FOUND"]


# ------------------------------------------------------------ size and type


def streamed(house: PaperHouse, url: str) -> AbstractContextManager[httpx.Response]:
    """The answer as it comes."""
    headers = {"Authorization": f"Bearer {house.gateway.token}"}
    return house.gateway.client.stream("GET", house.gateway.origin + url, headers=headers)


def flowing(size: int, *, states_length: bool, sent: list[int], gone: threading.Event) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", PDF.encode())]
        if states_length:
            headers.append((b"content-length", b"%d" % size))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        leaving = asyncio.ensure_future(until_disconnected(receive))
        while sum(sent) < size and not leaving.done():
            sent.append(min(10_000, size - sum(sent)))
            await send({"type": "http.response.body", "body": b"x" * sent[-1], "more_body": True})
            await asyncio.sleep(0.001)
        if leaving.done():
            gone.set()
        leaving.cancel()
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize("states_length", [True, False])
def test_the_largest_that_is_allowed_is_sent(house: PaperHouse, states_length: bool) -> None:
    odd = flowing(MAX_BYTES, states_length=states_length, sent=[], gone=threading.Event())
    with house.odd.doing(odd, "/Binary/b1"):
        assert house.fetch(house.url("relative")).content == b"x" * MAX_BYTES


def test_one_that_says_to_be_larger_is_not_read(house: PaperHouse) -> None:
    gone, sent = threading.Event(), [0]
    odd = flowing(100 * MAX_BYTES, states_length=True, sent=sent, gone=gone)
    with house.odd.doing(odd, "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
        assert gone.wait(10)
    assert (answer.status, answer.codes) == (413, ["ATTACHMENT_TOO_LARGE"])


def test_one_that_turns_out_larger_is_broken_off(house: PaperHouse, sandbox: Sandbox) -> None:
    gone, sent = threading.Event(), [0]
    odd = flowing(100 * MAX_BYTES, states_length=False, sent=sent, gone=gone)
    url = house.url("relative")
    with house.odd.doing(odd, "/Binary/b1"):
        got: list[bytes] = []
        with streamed(house, url) as answer, pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_raw())
        assert gone.wait(10)
    assert 0 < sum(map(len, got)) <= MAX_BYTES
    line = eventually(lambda: _line(sandbox, answer.headers["x-request-id"]))
    assert (line["outcome"], line["errors"]) == ("PARTIAL", ["ATTACHMENT_TOO_LARGE"])


def test_a_binary_as_json_has_the_same_limit(house: PaperHouse) -> None:
    large = base64.b64encode(b"x" * (MAX_BYTES + 1)).decode()
    body = json.dumps({"resourceType": "Binary", "contentType": PDF, "data": large}).encode()
    with house.odd.doing(fixed(200, body), "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
    assert (answer.status, answer.codes) == (413, ["ATTACHMENT_TOO_LARGE"])


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "image/svg+xml",
        "application/javascript",
        "application/zip",
        "application/fhir+xml",
        "nonsense",
    ],
)
def test_a_type_that_is_not_listed_is_refused(house: PaperHouse, media_type: str) -> None:
    with house.odd.doing(fixed(200, b"<script>", media_type), "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
    assert (answer.status, answer.codes) == (415, ["ATTACHMENT_TYPE_REFUSED"])
    assert b"script" not in answer.content


def test_where_the_source_does_not_know_the_type_the_element_says_it(house: PaperHouse) -> None:
    with house.odd.doing(fixed(200, BINARY, "application/octet-stream"), "/Binary/b1"):
        assert house.fetch(house.url("relative")).headers["content-type"] == PDF


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"resourceType": "Patient", "id": OTHERS}).encode(),
        json.dumps({"resourceType": "OperationOutcome", "issue": []}).encode(),
        b'{"resourceType": "Binary", "contentType": "application/pdf", "data": "%%%"}',
        b"[]",
        b"{",
        b"",
    ],
)
def test_json_that_is_no_binary_is_not_sent(house: PaperHouse, body: bytes) -> None:
    with house.odd.doing(fixed(200, body), "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
    assert (answer.status, answer.codes) == (502, ["UPSTREAM_INVALID_RESPONSE"])


def test_a_compressed_answer_is_refused(house: PaperHouse) -> None:
    with house.odd.doing(fixed(200, BINARY, PDF, content_encoding="gzip"), "/Binary/b1"):
        assert house.fetch(house.url("relative")).status == 502


# ------------------------------------------------------------ sources that fail, clients that leave


@pytest.mark.parametrize(
    ("odd", "status", "code"),
    [
        (fixed(404, b""), 404, "REFERENCE_NOT_FOUND"),
        (fixed(410, b'{"resourceType": "OperationOutcome"}'), 404, "REFERENCE_NOT_FOUND"),
        (fixed(401, b""), 502, "UPSTREAM_REJECTED"),
        (fixed(403, b"no such patient: Jane"), 502, "UPSTREAM_REJECTED"),
        (fixed(429, b"", retry_after="1"), 503, "UPSTREAM_THROTTLED"),
        (fixed(500, b""), 503, "UPSTREAM_UNAVAILABLE"),
        (fixed(206, BINARY, PDF), 502, "UPSTREAM_INVALID_RESPONSE"),
        (hanging, 504, "UPSTREAM_TIMEOUT"),
    ],
)
def test_a_source_that_does_not_give_it_is_an_error_as_elsewhere(
    house: PaperHouse, odd: ASGIApp, status: int, code: str
) -> None:
    with house.odd.doing(odd, "/Binary/b1"):
        answer = house.fetch(house.url("relative"))
    assert (answer.status, answer.codes) == (status, [code])
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert b"Jane" not in answer.content


def test_a_source_that_is_down_for_the_naming_resource_is_an_error(house: PaperHouse) -> None:
    url = house.url("relative")
    with house.odd.doing(fixed(500, b""), "/DocumentReference"):
        assert house.fetch(url).codes == ["UPSTREAM_UNAVAILABLE"]


def test_a_source_that_breaks_off_leaves_no_whole_answer(house: PaperHouse) -> None:
    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", PDF.encode()), (b"content-length", b"90000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0.2)
        raise ConnectionAbortedError

    with house.odd.doing(breaking, "/Binary/b1"), pytest.raises(httpx.RemoteProtocolError):
        house.fetch(house.url("relative"))


def test_a_source_that_stalls_midway_is_broken_off(house: PaperHouse, sandbox: Sandbox) -> None:
    gone = threading.Event()

    async def stalling(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", PDF.encode())]}
        )
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await until_disconnected(receive)
        gone.set()

    url, got = house.url("relative"), list[bytes]()
    with house.odd.doing(stalling, "/Binary/b1"):
        with streamed(house, url) as answer, pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_raw())
        assert gone.wait(10)
    assert b"".join(got) == b"x" * 1000
    line = eventually(lambda: _line(sandbox, answer.headers["x-request-id"]))
    assert (line["outcome"], line["errors"]) == ("PARTIAL", ["UPSTREAM_TIMEOUT"])
    assert [row["type"] for row in line["disclosed"]] == ["DocumentReference"]


def test_a_client_that_leaves_ends_the_call_to_the_source(house: PaperHouse) -> None:
    gone = threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", PDF.encode())]}
        )
        leaving = asyncio.ensure_future(until_disconnected(receive))
        while not leaving.done():
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.wait((leaving,), timeout=0.05)
        gone.set()

    url = house.url("relative")
    with house.odd.doing(slow, "/Binary/b1"):
        with streamed(house, url) as answer:
            assert next(answer.iter_raw()) != b""
        assert gone.wait(10)


# ------------------------------------------------------------ the record


def _line(sandbox: Sandbox, request_id: str) -> Json | None:
    lines = (sandbox.state / "audit.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines if request_id in line]
    return found[0] if found else None


def test_a_download_is_on_record(house: PaperHouse, sandbox: Sandbox) -> None:
    answer = house.fetch(house.url("relative"))
    line = eventually(lambda: _line(sandbox, answer.headers["x-request-id"]))
    told = {name: line.get(name) for name in ("kind", "outcome", "status", "disclosed")}
    row = {"patient": f"odd/Patient/{MINE}", "type": "DocumentReference", "source": "odd", "count": 1}
    assert told == {"kind": "binary", "outcome": "OK", "status": 200, "disclosed": [row]}


@pytest.mark.parametrize(("id_", "status"), [("others", 404), ("relative", 403)])
def test_a_refusal_is_on_record_and_gives_out_nothing(
    house: PaperHouse, sandbox: Sandbox, id_: str, status: int
) -> None:
    scope = "patient/Patient.rs" if status == 403 else "patient/*.rs"
    answer = house.fetch(house.url(id_), house.own(scope))
    line = eventually(lambda: _line(sandbox, answer.headers["x-request-id"]))
    assert (line["kind"], line["status"], line["outcome"]) == ("binary", status, answer.codes[0])
    assert line.get("disclosed", []) == []


# ------------------------------------------------------------ other settings


@pytest.fixture(scope="module")
def strict_house(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PaperHouse]:
    """With a rule for `Attachment.url`, an address of its own, and a list of one media type."""
    folder = tmp_path_factory.mktemp("strict")
    default = resources.files("permissions").joinpath("policy.toml").read_text("utf-8")
    row = 'coordinates = ["Attachment.url"]\n'
    assert row in default
    default = default.replace(row, row + 'scopes = [["attachments.read"]]\n')
    default += """
[[rules]]
coordinates = ["DocumentReference.content"]
reason = "For patients alone."
scopes = [["patient/DocumentReference.r"]]
"""
    unserved = '"*.note", "Narrative.div", "*.presentedForm"'  # types that this gateway does not serve
    (folder / "policy.toml").write_text(default.replace(unserved, '"Narrative.div"'))

    def change(written: Json) -> None:
        written["permissions"] = {"policy": str(folder / "policy.toml")}
        written["server"]["public_url"] = f"{PUBLIC}/"
        written["binary"]["media_types"] = ["text/plain"]

    with paper_house(sandbox, population, folder, RESOURCES, change) as built:
        yield built


PUBLIC = "https://gateway.example.org/clinical"


def test_an_address_is_absolute_where_the_gateway_knows_its_own(strict_house: PaperHouse) -> None:
    cleared = strict_house.own("patient/*.rs attachments.read")
    (content,) = strict_house.shown("relative", cleared).whole()["documentReference"]["content"]
    url = content["attachment"]["url"]
    assert url.startswith(f"{PUBLIC}/binary/")
    with strict_house.odd.doing(fixed(200, BINARY, "text/plain"), "/Binary/b1"):
        assert strict_house.fetch(url.removeprefix(PUBLIC), cleared).content == BINARY
    assert strict_house.fetch(url.removeprefix(PUBLIC), cleared).codes == ["ATTACHMENT_TYPE_REFUSED"]


def test_a_rule_of_the_policy_holds_for_the_address_and_for_the_download(strict_house: PaperHouse) -> None:
    cleared, other = strict_house.own("patient/*.rs attachments.read"), strict_house.own()
    told = strict_house.shown("relative", other)
    assert told.data["documentReference"]["content"][0]["attachment"]["url"] is None
    assert told.codes == ["UNAUTHORIZED_FIELD_OR_TYPE"]
    (content,) = strict_house.shown("relative", cleared).whole()["documentReference"]["content"]
    strict_house.odd.seen.clear()
    answer = strict_house.fetch(content["attachment"]["url"].removeprefix(PUBLIC), other)
    assert (answer.status, answer.errors[0]["extensions"]["coordinate"]) == (403, "Attachment.url")
    assert strict_house.asked() == []


@pytest.mark.parametrize("id_", ["inside", "relative"])
def test_what_only_other_scopes_permit_of_a_resource_is_not_fetched(
    strict_house: PaperHouse, id_: str
) -> None:
    cleared = strict_house.own("patient/*.rs attachments.read")
    query = NESTED["inside"] if id_ == "inside" else SHOWN.replace(" contentType", "").replace(" data", "")
    told = cleared.ask(query, id=f"odd/DocumentReference/{id_}").whole()["documentReference"]
    told.pop("id", None)
    url = found_url(told).removeprefix(PUBLIC)
    # The scope for the own patient, which the rule asks for, does not reach this resource; the other does.
    narrowed = "user/DocumentReference.rs patient/DocumentReference.r?status=superseded attachments.read"
    with strict_house.odd.doing(fixed(200, BINARY, "text/plain"), "/Binary/b1"):
        assert strict_house.fetch(url, cleared).content == BINARY
        assert strict_house.fetch(url, strict_house.own(narrowed)).codes == ["REFERENCE_NOT_FOUND"]


# ------------------------------------------------------------ the sandbox as a newcomer has it


def test_the_letters_of_the_hospital_are_fetched(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    kept = {one["id"]: base64.b64decode(one["data"]) for one in population.ehr["Binary"]}
    documents = [one for one in population.ehr["DocumentReference"] if f"letter-{one['id']}" in kept][:4]
    assert len(documents) == 4
    house = PaperHouse(gateway, sandbox, None, None, "")  # type: ignore[arg-type]
    for one in documents:
        told = gateway.ask(SHOWN, id=f"ehr/DocumentReference/{one['id']}").whole()["documentReference"]
        url = told["content"][1]["attachment"]["url"]
        assert house.fetch(url).content == kept[f"letter-{one['id']}"]
        assert kept[f"letter-{one['id']}"].startswith(b"%PDF-1.4")
