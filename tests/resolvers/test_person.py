"""The canonical person id: stable, unreadable, unforgeable (docs/schema.md)."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.person import KEY_BYTES, PersonIdInvalid, PersonKey

NHS = "https://fhir.nhs.uk/Id/nhs-number"
KEY = PersonKey(bytes(range(KEY_BYTES)))
OTHER = PersonKey(bytes(reversed(range(KEY_BYTES))))
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
identifier_text = st.text(letters, min_size=1, max_size=60)


@given(identifier_text, identifier_text)
def test_an_id_opens_to_the_identifier_it_was_sealed_from(system: str, value: str) -> None:
    assert KEY.open(KEY.seal(system, value)) == (system, value)


@given(identifier_text, identifier_text)
def test_an_id_has_the_documented_shape_and_always_the_same_text(system: str, value: str) -> None:
    token = KEY.seal(system, value)
    assert re.fullmatch(r"person/[A-Za-z0-9_-]{4}\.[A-Za-z0-9_-]{22,}", token)
    assert token == PersonKey(KEY.key).seal(system, value)


def test_the_key_id_is_the_start_of_the_keys_digest() -> None:
    digest = base64.urlsafe_b64encode(hashlib.sha256(KEY.key).digest()).decode()
    assert KEY.seal(NHS, "9990000018").startswith(f"person/{digest[:4]}.")


def test_system_and_value_do_not_run_into_each_other() -> None:
    assert KEY.seal("a", "bc") != KEY.seal("ab", "c")


def test_the_identifier_is_not_readable_in_the_id() -> None:
    token = KEY.seal(NHS, "9990000018")
    body = token.split(".")[1]
    assert b"999" not in base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    assert "9990000018" not in token


def test_an_id_under_another_key_is_refused() -> None:
    with pytest.raises(PersonIdInvalid):
        OTHER.open(KEY.seal(NHS, "9990000018"))


def test_a_forged_key_id_does_not_help() -> None:
    body = KEY.seal(NHS, "9990000018").split(".")[1]
    with pytest.raises(PersonIdInvalid):
        OTHER.open(f"person/{OTHER.key_id}.{body}")


@given(st.data())
def test_an_id_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    token = KEY.seal(NHS, "9990000018")
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("AZaz09-_").filter(lambda letter: letter != token[place]))
    with pytest.raises(PersonIdInvalid):
        KEY.open(token[:place] + letter + token[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "person/", "person/abcd", "ehr/Patient/1", "person/abcd.", "person/abcd.!!", "9990000018"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(PersonIdInvalid):
        KEY.open(text)


@given(st.text(max_size=200))
def test_no_text_gives_another_error(text: str) -> None:
    with pytest.raises(PersonIdInvalid):
        KEY.open(text)


@given(st.text(max_size=200))
def test_no_text_behind_the_key_id_gives_another_error(text: str) -> None:
    with pytest.raises(PersonIdInvalid):
        KEY.open(f"person/{KEY.key_id}.{text}")


@pytest.mark.parametrize("number", range(20))
def test_an_id_has_one_spelling(number: int) -> None:
    made = KEY.seal("s", f"number {number}")
    start, sealed = made.split(".")
    others = [f"{made}{end}" for end in ("=", "==", "\n", " ", "é", "\ud800")]
    others += [f"{start}.{end}" for end in (f"\n{sealed}", f"{sealed[:9]} {sealed[9:]}", "", "A" * 21)]
    others += [made.upper().replace("PERSON", "person"), f"person/{made}", f"{start}.{'A' * 2000}"]
    if "-" in sealed or "_" in sealed:
        others.append(f"{start}.{sealed.replace('-', '+').replace('_', '/')}")
    for one in others:
        with pytest.raises(PersonIdInvalid):
            KEY.open(one)


@pytest.mark.parametrize(("system", "value"), [("", "1"), ("s", ""), ("s\0", "1"), ("s", "1\0")])
def test_an_identifier_without_system_or_value_is_not_sealed(system: str, value: str) -> None:
    with pytest.raises(ValueError, match="linking identifier"):
        KEY.seal(system, value)


def test_a_short_key_is_refused_and_no_key_is_shown() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        PersonKey(b"short")
    assert "key=" not in repr(KEY).replace("key_id=", "")
