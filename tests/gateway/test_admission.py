"""What is kept of a caller with a document is what would be decided anew."""

from functools import cache
from sys import getrefcount
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import admission
from gateway.admission import Admissions
from gateway.document_limits import LimitSettings
from gateway.execution.denials import Denials
from gateway.prepare import Preparation, PreparedDocument
from permissions.decision import Decisions
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from resolvers.cache import MemoryCache
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.person import PersonKey
from resolvers.upstreams.closed import SourceRules
from schema.build import BuiltSchema, build_schema
from tests.resolvers.memory import MemoryUpstream

TYPES = ("Patient", "Observation")
TEXTS = (
    "{ patients { nodes { id telecom { value } } } }",
    "{ observations { nodes { id note { text } } } }",
    "{ me { id } }",
)
SCOPES = ("user/*.rs", "patient/*.rs", "user/Patient.rs contact.read", "system/Observation.r")


@cache
def built() -> BuiltSchema:
    return build_schema(TYPES)


def prepared(text: str) -> PreparedDocument:
    return Preparation(built().graphql, LimitSettings()).prepare(text, None, text)


def caller(said: str) -> Principal:
    return Principal("i", "c", "s", parse_scopes(said), other_words(said), patient="a/Patient/1")


def admissions(rules: SourceRules | None = None) -> Admissions:
    cache_ = MemoryCache()
    linking = Linking((), frozenset(), PersonKey(b"k" * 64))
    sources, closed = [MemoryUpstream("a", {})], {} if rules is None else {"a": rules}
    federation = Federation(
        sources, linking, Cursors(b"c" * 32, cache_), cache_, frozenset(TYPES), rules=closed
    )
    return Admissions(Decisions(built().rules), Denials(built().graphql, built().rules), federation)


@given(
    st.lists(st.tuples(st.sampled_from(range(len(SCOPES))), st.sampled_from(range(len(TEXTS)))), max_size=12)
)
def test_kept_admission_is_what_would_be_decided_anew(asked: list[tuple[int, int]]) -> None:
    callers, documents, deciding = list(map(caller, SCOPES)), list(map(prepared, TEXTS)), admissions()
    for who, what in asked:
        principal, document = callers[who], documents[what]
        used = document.admissions.get(id(principal)) or deciding.of(principal, document)
        anew = admissions().of(caller(SCOPES[who]), prepared(TEXTS[what]))
        assert (used.denied, used.recorded) == (anew.denied, anew.recorded)
        assert used.standing.principal is principal
        assert used.standing.permissions.levels == anew.standing.permissions.levels
    assert {id(callers[who]) for who, _ in asked} == {one for kept in documents for one in kept.admissions}


def test_what_documents_keep_of_callers_is_bounded_for_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ADMISSIONS_KEPT", 3)
    documents, deciding = list(map(prepared, TEXTS)), admissions()
    callers = [caller(SCOPES[0]) for _ in range(10)]
    for one in callers:
        for document in documents[:2]:
            deciding.of(one, document)
            deciding.of(one, document)
            kept = [one.admissions for one in documents]
            assert 0 < sum(map(len, kept)) <= 3
            assert id(one) in document.admissions


def test_what_is_kept_with_a_document_goes_with_it() -> None:
    document, deciding = prepared(TEXTS[0]), admissions()
    standing, gone = deciding.of(caller(SCOPES[0]), document).standing, ref(document)
    holders = getrefcount(standing)
    del document
    assert gone() is None
    assert getrefcount(standing) == holders - 1


@pytest.mark.parametrize(("purposes", "lasts"), [((), False), (("TREAT",), True)])
def test_what_a_closed_source_answers_does_not_outlive_its_request(purposes: Any, lasts: bool) -> None:
    document, deciding = prepared(TEXTS[0]), admissions(SourceRules(frozenset({"TREAT"})))
    who = Principal("i", "c", "s", parse_scopes(SCOPES[0]), purposes=purposes)
    first, second = (deciding.of(who, document) for _ in range(2))
    assert (first.standing.upstreams["a"] is second.standing.upstreams["a"]) is lasts
    assert bool(document.admissions) is lasts
