"""Values come out as they were recorded; a misshapen one costs itself and nothing more."""

from typing import Any

from clinical.codec import decode_json, encode_json
from tests.resolvers.asking import Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"


def asker(row: dict[str, Any]) -> Asker:
    rows = {"Patient": [patient("1", NUMBER)], "Observation": [decode_json(encode_json(row))]}
    return Asker(MemoryUpstream("a", rows))


async def bytes_of(raw: bytes, selection: str) -> bytes:
    row = decode_json(raw)
    up = MemoryUpstream("a", {"Patient": [], "Observation": [row]})
    data = await Asker(up).data(f'{{ observation(id: "a/Observation/o") {{ {selection} }} }}')
    return encode_json(data["observation"])


async def test_decimals_keep_their_digits_in_the_response_bytes() -> None:
    for digits in (
        b"5.10",
        b"7.0",
        b"0.0000001",
        b"1E-7",
        b"5",
        b"123456789012345678901234567890.10",
        b"-0.0",
    ):
        raw = b'{"resourceType":"Observation","id":"o","valueQuantity":{"value":%s,"unit":"x"}}' % digits
        assert await bytes_of(raw, "valueQuantity { value valueText }") == (
            b'{"valueQuantity":{"value":%s,"valueText":"%s"}}' % (digits, digits)
        )


async def test_partial_dates_stay_partial() -> None:
    for when in ("2019", "2019-05", "2019-05-03T10:00:00+01:00"):
        data = await asker(observation("o", "1", when)).data(
            '{ observation(id: "a/Observation/o") { effectiveDateTime } }'
        )
        assert data["observation"]["effectiveDateTime"] == when


async def test_primitive_extensions_are_read_beside_their_element() -> None:
    extension = [{"url": "u", "valueDateTime": "2019-05-03T10:00:00Z"}, {"url": "v", "valueString": "x"}]
    row = observation("o", "1", _effectiveDateTime={"extension": extension})
    text = """{ observation(id: "a/Observation/o") {
      _effectiveDateTime { extension(url: "v") { url valueString } } } }"""
    data = await asker(row).data(text)
    assert data["observation"]["_effectiveDateTime"] == {"extension": [{"url": "v", "valueString": "x"}]}


async def test_a_misshapen_element_is_null_with_an_error_of_its_source_and_without_its_value() -> None:
    row = observation(
        "o", "1", note="secret", category=[{"text": "good"}, "secret", None], issued=5, status="final"
    )
    text = """{ observations { nodes { status issued note { text } category { text } } } }"""
    result = await asker(row).run(text)
    assert result.data is not None
    (node,) = result.data["observations"]["nodes"]
    assert node == {
        "status": "final",
        "issued": None,
        "note": None,
        "category": [{"text": "good"}, None, None],
    }
    assert codes(result.errors) == ["UPSTREAM_INVALID_RESPONSE"] * 3
    assert all("secret" not in error.message for error in result.errors)


async def test_integers_beyond_graphql_are_errors_of_the_source() -> None:
    row = observation("o", "1", valueInteger=2**40)
    result = await asker(row).run('{ observation(id: "a/Observation/o") { valueInteger } }')
    assert result.data == {"observation": {"valueInteger": None}}
    assert codes(result.errors) == ["UPSTREAM_INVALID_RESPONSE"]
