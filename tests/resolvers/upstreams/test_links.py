"""The link table: both ways, and refused as a whole where it cannot be trusted."""

from pathlib import Path

import pytest

from clinical.codec import encode_json
from clinical.identifiers import Token
from resolvers.upstreams.links import Link, LinksInvalid, LinkTable, read_links

NHS = "https://fhir.nhs.uk/Id/nhs-number"


def write(path: Path, *rows: object) -> Path:
    file = path / "links.ndjson"
    file.write_bytes(b"\n".join(row if isinstance(row, bytes) else encode_json(row) for row in rows) + b"\n")
    return file


def row(patient: str, value: str, source: str = "wearable") -> dict[str, str]:
    return {"source": source, "patient": patient, "system": NHS, "value": value}


def test_links_are_looked_up_from_both_sides(tmp_path: Path) -> None:
    table = read_links(
        write(
            tmp_path, row("9", "b"), row("8", "a"), b"", row("7", "a"), row("9", "b"), row("9", "z", "other")
        )
    )
    assert table.patients("wearable", Token(NHS, "a")) == ("8", "7")
    assert table.patients("wearable", Token(NHS, "z")) == ()
    assert table.patients("other", Token(NHS, "z")) == ("9",)
    assert table.identifiers("wearable", "9") == (Token(NHS, "b"),)
    assert table.identifiers("wearable", "1") == ()
    assert table.accounts("wearable") == ("7", "8", "9")


@pytest.mark.parametrize("token", [Token(None, "a"), Token(NHS, None), Token("", "a"), Token("urn:x", "a")])
def test_a_link_is_found_by_its_whole_identifier_only(token: Token) -> None:
    assert LinkTable([Link("wearable", "8", NHS, "a")]).patients("wearable", token) == ()


def test_looking_up_changes_nothing() -> None:
    table = LinkTable()
    table.identifiers("wearable", "1")
    assert table.accounts("wearable") == ()


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b'{"source":"w","patient":"1","system":"s"}',
        b'{"source":"w","patient":"1","system":"s","value":""}',
        b'{"source":"w","patient":1,"system":"s","value":"v"}',
        b'{"source":"w","patient":"1","system":"s","value":"v","name":"x"}',
    ],
)
def test_a_line_that_is_no_link_refuses_the_table_and_names_itself(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(LinksInvalid, match="line 2"):
        read_links(write(tmp_path, row("8", "a"), line))


def test_one_account_cannot_be_two_people(tmp_path: Path) -> None:
    with pytest.raises(LinksInvalid, match="two people"):
        read_links(write(tmp_path, row("8", "a"), row("8", "b")))


def test_an_account_is_found_by_the_identifier_of_its_own_system() -> None:
    table = LinkTable([Link("wearable", "8", NHS, "a")], {"wearable": "urn:account"})
    assert table.patients("wearable", Token("urn:account", "7")) == ("7",)
    assert table.patients("other", Token("urn:account", "7")) == ()
    assert table.identifiers("wearable", "8") == (Token(NHS, "a"), Token("urn:account", "8"))
    assert table.identifiers("other", "8") == ()
    assert table.accounts("wearable") == ("8",)
