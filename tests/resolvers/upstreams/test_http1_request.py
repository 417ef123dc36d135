"""A request is one request, to the host that its address names, whatever its parts hold (RFC 9112 3)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resolvers.upstreams.http1_request import Origin, message, split_address
from resolvers.upstreams.transport import Request

ORIGIN = Origin("ehr.test", 80, False, "ehr.test")
ADDRESS = "http://ehr.test/fhir"


def sent(target: str = "/x", method: str = "GET", body: bytes | None = None, **headers: str) -> list[str]:
    """The lines of the head."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return message(Request(method, ADDRESS, named, body), ORIGIN, target).decode().split("\r\n")


def test_a_request_says_who_asks_whom_for_what() -> None:
    assert sent(Accept="application/fhir+json") == [
        "GET /x HTTP/1.1",
        "Host: ehr.test",
        "Accept: application/fhir+json",
        "User-Agent: clinical-gateway",
        "Accept-Encoding: gzip, deflate",
        "",
        "",
    ]


def test_what_the_question_says_itself_is_not_said_again() -> None:
    headers = {"user_agent": "mine", "ACCEPT_ENCODING": "identity", "host": "other", "Content_Length": "1"}
    lines = sent(method="POST", body=b"a", **headers)
    assert lines == [
        "POST /x HTTP/1.1",
        *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items()),
        "",
        "a",
    ]


def test_a_body_has_its_length() -> None:
    assert "Content-Length: 3" in sent(method="POST", body=b"abc")
    assert "Content-Length: 0" in sent(method="POST")
    assert not any(line.startswith("Content-Length") for line in sent())


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_header_becomes_two(name: str, value: str) -> None:
    plain = sent(Xx="y")
    try:
        lines = message(Request("GET", ADDRESS, {f"X{name}": value}), ORIGIN, "/x").decode().split("\r\n")
    except (ValueError, UnicodeError):
        return
    assert len(lines) == len(plain)
    assert "\n" not in "".join(lines)
    assert "\r" not in "".join(lines)


@given(st.text(max_size=30))
def test_no_target_becomes_a_header(text: str) -> None:
    assume(text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))
    line, host, *_ = message(Request("GET", ADDRESS, {}), ORIGIN, f"/{text}").decode().split("\r\n")
    assert line.startswith("GET /")
    assert line.endswith(" HTTP/1.1")
    assert line.count(" ") == 2
    assert line.isprintable()
    assert "#" not in line
    assert host == "Host: ehr.test"


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")))
def test_an_encoded_target_goes_as_it_is(text: str) -> None:
    assert sent(f"/{text}")[0] == f"GET /{text} HTTP/1.1"


@pytest.mark.parametrize(
    ("address", "name", "origin", "target"),
    [
        ("http://ehr.test/a?b=c", "http://ehr.test", ORIGIN, "/a?b=c"),
        ("http://ehr.test", "http://ehr.test", ORIGIN, "/"),
        ("http://ehr.test?b=c/d", "http://ehr.test", ORIGIN, "/?b=c/d"),
        ("http://ehr.test/a#b", "http://ehr.test", ORIGIN, "/a"),
        (
            "https://ehr.test:8443/",
            "https://ehr.test:8443",
            Origin("ehr.test", 8443, True, "ehr.test:8443"),
            "/",
        ),
        ("https://[::1]/a", "https://[::1]", Origin("::1", 443, True, "[::1]"), "/a"),
        (
            "https://müller.test/a",
            "https://müller.test",
            Origin("xn--mller-kva.test", 443, True, "xn--mller-kva.test"),
            "/a",
        ),
    ],
)
def test_an_address_names_a_host(address: str, name: str, origin: Origin, target: str) -> None:
    assert split_address(address) == (name, origin, target)


@pytest.mark.parametrize(
    "address", ["", "/fhir", "ftp://ehr.test/", "http://", "http://u:p@ehr.test/", "http://ehr.test:x/"]
)
def test_what_names_no_host_is_an_error(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        split_address(address)
