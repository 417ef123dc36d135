"""What every adapter must do, as tests that the author of an adapter runs (docs/plugins.md).

    class TestMine(UpstreamContract):
        @asynccontextmanager
        async def case(self):
            yield ContractCase(my_upstream, patients=(ContractPatient("1"), ContractPatient("2")))

pytest collects the subclass; each test opens a case of its own. Needs no plugin of pytest.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from fhir.resources.R4B import get_fhir_model_class

from clinical.codec import encode_json
from clinical.compartment import patient_references
from clinical.order import sort_key
from clinical.parameters import parameters
from clinical.references import parse_reference
from clinical.search import compile_search, is_exact
from resolvers.resource import Resource
from resolvers.upstreams.contract_case import ContractCase, Examination, ids_of, values_of
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError
from resolvers.upstreams.upstream import Filter, Read, Search

PAGE_SIZES = (1, 3)
PATIENCE_S = 20.0
"""How long an adapter may take over a call that has half a second."""

Check = Callable[[Examination], Awaitable[None]]


class UpstreamContract:
    """The tests. A subclass gives `case`."""

    def case(self) -> AbstractAsyncContextManager[ContractCase]:
        """A case, for the time of one test. It starts the adapter and closes it."""
        raise NotImplementedError("the subclass gives the case")

    def _run(self, check: Check) -> None:
        async def run() -> None:
            async with self.case() as case:
                assert len(case.patients) > 1, "a case needs two patients, or nobody could be mixed up"
                await check(Examination(case))

        asyncio.run(run())

    def test_paging_has_no_gap_and_no_duplicate(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                for patient, rows in await examined.held(kind):
                    whole = ids_of(rows)
                    assert len(set(whole)) == len(whole), f"{kind}: a row twice"
                    for size in PAGE_SIZES:
                        paged = ids_of(await examined.walk(examined.about(kind, patient, count=size)))
                        assert sorted(paged) == sorted(whole), f"{kind}: other rows in pages of {size}"

        self._run(check)

    def test_rows_are_of_the_patient_that_was_asked_for(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                seen: set[tuple[str, str]] = set()
                for patient, rows in await examined.held(kind):
                    for row in rows:
                        about = {parse_reference(text).local for text in patient_references(row.json)}
                        assert about == {f"Patient/{patient.id}"}, f"{kind}: a row of somebody else"
                        assert (row.type, row.source) == (kind, examined.case.upstream.name)
                        assert row.id == row.json["id"]
                    mine = {(row.location.base_url, row.id) for row in rows}
                    assert seen.isdisjoint(mine), f"{kind}: a row of two patients"
                    seen |= mine

        self._run(check)

    def test_declared_filters_are_applied(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                declared = (await examined.abilities(kind)).parameters
                for patient, rows in await examined.held(kind):
                    for code in sorted(declared & parameters(kind).keys()):
                        parameter = parameters(kind)[code]
                        for value in values_of(parameter, rows) if is_exact(parameter) else ():
                            base_url = examined.place(patient).base_url
                            passes = compile_search(parameter, (value,), None, base_url)
                            asked = examined.about(kind, patient, filters=(Filter(code, (value,)),))
                            found = sorted(ids_of(await examined.walk(asked)))
                            expected = sorted(row.id for row in rows if passes(row.json))
                            assert found == expected, f"{kind}: other rows by {code}"

        self._run(check)

    def test_declared_sorts_are_honoured(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                declared = (await examined.abilities(kind)).sorts
                for patient, rows in await examined.held(kind):
                    for code in sorted(declared & parameters(kind).keys()):
                        for text in (code, f"-{code}"):
                            asked = examined.about(kind, patient, sort=(text,))
                            found = await examined.walk(asked)
                            keys = [
                                sort_key(row.json, parameters(kind)[code], text.startswith("-"))
                                for row in found
                            ]
                            assert keys == sorted(keys), f"{kind}: not in the order of {text}"
                            assert sorted(ids_of(found)) == sorted(ids_of(rows)), (
                                f"{kind}: other rows by {text}"
                            )

        self._run(check)

    def test_counts_are_exact_or_not_said(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                for patient, rows in await examined.held(kind):
                    asked = examined.about(kind, patient)
                    (count,) = await examined.case.upstream.count([asked], examined.call())
                    assert count is None or count == len(rows), f"{kind}: a wrong count"

        self._run(check)

    def test_ids_are_read_in_the_order_of_the_questions(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                rows = [row for _, found in await examined.held(kind) for row in found]
                nothing = Read(kind, examined.case.unknown_id, rows[0].location)
                reads = [Read(kind, row.id, row.location) for row in rows]
                answers = await examined.read([nothing, *reads, nothing])
                assert answers[0] is None, f"{kind}: an id that there is not"
                assert answers[-1] is None
                for row, answer in zip(rows, answers[1:-1], strict=True):
                    assert isinstance(answer, Resource), f"{kind}: {answer!r}"
                    assert encode_json(answer.json) == encode_json(row.json), f"{kind}: another row by its id"

        self._run(check)

    def test_identifiers_lead_to_their_patients(self) -> None:
        async def check(examined: Examination) -> None:
            upstream = examined.case.upstream
            pairs = [(token, one.id) for one in examined.case.patients for token in one.identifiers]
            tokens = [examined.case.unknown, *(token for token, _ in pairs)]
            answers = await upstream.identify(tokens, upstream.locations(), examined.call())
            assert list(answers[0] if isinstance(answers[0], tuple) else [answers[0]]) == []
            for (_, patient), answer in zip(pairs, answers[1:], strict=True):
                assert isinstance(answer, tuple), f"{answer!r}"
                assert [one.id for one in answer] == [patient]
                assert all(one.type == "Patient" for one in answer)

        self._run(check)

    def test_a_list_about_nobody_is_answered_or_not_supported(self) -> None:
        async def check(examined: Examination) -> None:
            upstream = examined.case.upstream
            for kind in examined.types:
                needs_patient = (await examined.abilities(kind)).needs_patient
                (answer,) = await upstream.search([Search(kind, upstream.locations()[0])], examined.call())
                if needs_patient:
                    assert isinstance(answer, SearchNotSupported), f"{kind}: a list about nobody"

        self._run(check)

    def test_the_same_question_gets_the_same_ids(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                first, second = [await examined.held(kind) for _ in range(2)]
                assert [ids_of(rows) for _, rows in first] == [ids_of(rows) for _, rows in second]

        self._run(check)

    def test_resources_are_r4b(self) -> None:
        async def check(examined: Examination) -> None:
            for kind in examined.types:
                for _, rows in await examined.held(kind):
                    for row in rows:
                        get_fhir_model_class(kind).model_validate_json(encode_json(row.json))

        self._run(check)

    def test_trouble_is_an_answer_and_no_exception(self) -> None:
        async def check(examined: Examination) -> None:
            for name, trouble in examined.case.troubles.items():
                for kind in [one for one in examined.types if one != "Patient"]:
                    asked = examined.about(kind, examined.case.patients[0])
                    with trouble():
                        (answer,) = await examined.case.upstream.search([asked], examined.call())
                    assert isinstance(answer, UpstreamError), f"{kind} with {name}: {answer!r}"
                    assert answer.source == examined.case.upstream.name
                    assert "://" not in answer.message, f"{kind} with {name}: an address in a message"

        self._run(check)

    def test_the_deadline_is_kept(self) -> None:
        async def check(examined: Examination) -> None:
            if examined.case.hanging is None:
                return
            for kind in [one for one in examined.types if one != "Patient"]:
                asked = examined.about(kind, examined.case.patients[0])
                with examined.case.hanging():
                    async with asyncio.timeout(PATIENCE_S):
                        (answer,) = await examined.case.upstream.search([asked], examined.call(0.5))
                assert isinstance(answer, UpstreamError), f"{kind}: {answer!r}"

        self._run(check)
