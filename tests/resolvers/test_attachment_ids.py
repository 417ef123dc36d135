"""Ids of attachments: opaque, steady, and nobody's to make or alter."""

from hypothesis import given
from hypothesis import strategies as st

from resolvers.attachment_ids import ID_LENGTH_MAX, PATH, AttachmentId, Attachments, digest

OURS, OTHERS = Attachments(b"a" * 32), Attachments(b"b" * 32)
NAMED = AttachmentId("ehr", digest("https://ehr.test/fhir"), "DocumentReference", "d1", digest("Binary/1"))

ids = st.builds(
    AttachmentId,
    st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    st.text().map(digest),
    st.from_regex(r"[A-Z][A-Za-z]{1,40}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9.-]{1,64}", fullmatch=True),
    st.text().map(digest),
)


def text_of(named: AttachmentId, by: Attachments = OURS) -> str:
    return by.address(named).removeprefix(PATH)


@given(ids)
def test_an_id_names_what_it_was_made_of_and_nothing_else(named: AttachmentId) -> None:
    text = text_of(named)
    assert OURS.open(text) == named
    assert text == text_of(named)
    assert len(text) <= ID_LENGTH_MAX
    assert OTHERS.open(text) is None


@given(st.text(max_size=500))
def test_no_other_text_is_an_id(text: str) -> None:
    assert OURS.open(text) is None


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_an_altered_id_is_none(place: int, other: str) -> None:
    text = text_of(NAMED)
    place %= len(text)
    altered = text[:place] + other + text[place + 1 :]
    assert altered == text or OURS.open(altered) is None


def test_an_id_tells_nobody_what_it_names() -> None:
    text = text_of(NAMED)
    assert all(word not in text for word in ("ehr", "d1", "Document", "Binary"))
    assert text[:20] != text_of(AttachmentId("ehr", NAMED.place, NAMED.type, "d2", NAMED.url))[:20]
