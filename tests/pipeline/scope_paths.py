"""The paths to a resource, each asked for all of a sample, and checked against the oracle's word."""

from __future__ import annotations

from typing import Any

from sandbox.population.model import Person
from tests.pipeline.asking import Told
from tests.pipeline.laboratory import TYPES
from tests.pipeline.scope_matrix import ABOUT_A_PATIENT, MINE, REFERENCES, ROOTS, Case, Held
from tests.pipeline.scope_oracle import could, local, subject

Json = dict[str, Any]

ENDED = "sources { source status } pageInfo { hasNextPage }"


def by_id(case: Case) -> None:
    """`observation(id:)` under an alias, in a fragment."""
    sample = case.matrix.sample
    fields = [f'd{place}: {ROOTS[one.type][0]}(id: "{one.id}") {{ id }}' for place, one in enumerate(sample)]
    told = case.ask(f"{{ ...All }} fragment All on Query {{ {' '.join(fields)} }}")
    denied = set()
    for place, one in enumerate(sample):
        expected = (
            case.sees_person("r", case.matrix.records(one)) if one.type == "Patient" else case.may("r", one)
        )
        assert (told.data[f"d{place}"] is not None) == expected, (case.scope, one.id)
        field_ = ROOTS[one.type][0]
        if not case.could("r", one.type) and not (one.type == "Patient" and case.could("s", "Patient")):
            denied.add(((f"d{place}",), f"Query.{field_}"))
        elif not case.could("r", one.type):
            denied.add(((f"d{place}",), "Patient"))
    assert case.denied(told) == denied, case.scope


def by_node(case: Case) -> None:
    """`node` and `nodes`, selected through the interface and through its types."""
    sample = case.matrix.sample
    inside = "__typename id ... on Observation { status } ... on Patient { birthDate records { id } }"
    fields = [f'n{place}: node(id: "{one.id}") {{ {inside} }}' for place, one in enumerate(sample)]
    ids = ", ".join(f'"{one.id}"' for one in sample)
    told = case.ask(f"{{ {' '.join(fields)} nodes(ids: [{ids}]) {{ ... on Resource {{ id }} }} }}")
    denied = set()
    for place, one in enumerate(sample):
        expected = (
            case.sees_person("r", case.matrix.records(one)) if one.type == "Patient" else case.may("r", one)
        )
        assert (told.data[f"n{place}"] is not None) == expected, (case.scope, one.id)
        assert (told.data["nodes"][place] is not None) == expected, (case.scope, one.id)
        if not case.could("r", one.type):
            denied |= {((f"n{place}",), one.type), (("nodes", "@"), one.type)}
    assert case.denied(told) == denied, case.scope


def by_root_list(case: Case) -> None:
    """`observations(...)`: of all sources, as many as these."""
    ids, shown = case.matrix.ids, f"{ENDED} totalCount"
    parts = [
        f"{ROOTS[kind][1]}(first: 100, _id: [{ids(kind)}]) {{ {shown} nodes {{ {row} }} }}"
        for kind in ROOTS
        for row in ("id records { id }" if kind == "Patient" else "id",)
        if case.matrix.of(kind)
    ]
    told = case.ask(f"{{ {' '.join(parts)} }}")
    denied = set()
    for kind in ROOTS:
        plural, found = ROOTS[kind][1], told.data.get(ROOTS[kind][1])
        if not case.could("s", kind):
            assert found is None
            if case.matrix.of(kind):
                denied.add(((plural,), f"Query.{plural}"))
        elif found is None:
            assert not case.matrix.of(kind) or is_unlistable(case, kind), (case.scope, kind)
        else:
            check_list(case, found, kind)
    assert case.denied(told) == denied, case.scope


def by_reverse_list(case: Case) -> None:
    """`patient(id:) { observations(...) }`, and the same below a list of patients."""
    lists = " ".join(
        f"{ROOTS[kind][1]}(first: 100, _id: [{case.matrix.ids(kind)}]) {{ {ENDED} totalCount edges {{ node "
        "{ ...Row } } }"
        for kind in ABOUT_A_PATIENT
    )
    house = case.matrix.house
    roots = [f'{name}: patient(id: "{house.id_of(one)}") {{ ...Lists }}' for name, one in people(case)]
    roots.append(f"patients(first: 100, _id: [{case.matrix.ids('Patient')}]) {{ nodes {{ ...Lists }} }}")
    fragments = f"fragment Lists on Patient {{ records {{ id }} {lists} }} fragment Row on Resource {{ id }}"
    told = case.ask(f"{{ {' '.join(roots)} }} {fragments}")
    listed = (told.data["patients"] or {"nodes": ()})["nodes"]
    persons = [told.data[name] for name, _ in people(case)]
    for (_, one), shown in zip(people(case), persons, strict=True):
        assert (shown is not None) == case.sees_person("r", case.matrix.persons[one.index]), case.scope
    for shown in filter(None, (*persons, *listed)):
        about = frozenset(one["id"] for one in shown["records"])
        for kind in ABOUT_A_PATIENT:
            found = shown[ROOTS[kind][1]]
            if found is None:
                assert not any(
                    case.may("s", one)
                    for one in case.matrix.of(kind)
                    if subject(one.source, one.resource) in about
                )
            else:
                check_list(case, found, kind, about)
    check_denied_lists(case, told)


def people(case: Case) -> tuple[tuple[str, Person], ...]:
    """The caller and somebody else."""
    return ("mine", case.matrix.house.me), ("theirs", case.matrix.house.other)


def check_denied_lists(case: Case, told: Told) -> None:
    lists = [ROOTS[kind][1] for kind in ABOUT_A_PATIENT if not case.could("s", kind)]
    denied = case.denied(told)
    for path, is_there in (
        (("mine",), case.could("r", "Patient")),
        (("theirs",), case.could("r", "Patient")),
        (("patients", "nodes", "@"), case.could("s", "Patient")),
    ):
        mine = {at for at, _ in denied if at[: len(path)] == path or at == path[:1]}
        if not is_there:
            assert len(mine) >= 1
            continue
        # Another person's list may be denied as well, where only the token's own is permitted.
        assert mine >= {(*path, one) for one in lists}, case.scope
        for at in mine - {(*path, one) for one in lists}:
            assert at[0] == "theirs" or "@" in at or case.patient != MINE, (case.scope, at)


def by_reference(case: Case) -> None:
    """`Reference.resource`, and what resources hold (`contained`)."""
    holders = case.matrix.of(*REFERENCES)
    fields = []
    for place, one in enumerate(holders):
        followed = " ".join(
            f"{name} {{ resource {{ __typename ...Found }} }}" for name in REFERENCES[one.type]
        )
        held = f"{followed} contained {{ __typename id }}"
        fields.append(f'h{place}: {ROOTS[one.type][0]}(id: "{one.id}") {{ {held} }}')
    told = case.ask(
        f"{{ {' '.join(fields)} }} fragment Found on Resource {{ id ... on Patient {{ records {{ id }} }} }}"
    )
    for place, one in enumerate(holders):
        shown = told.data[f"h{place}"]
        for name in REFERENCES[one.type] if shown else ():
            check_followed(case, one, name, shown[name])
        if shown and one.resource.get("contained"):
            inside = [Held(one.source, each) for each in one.resource["contained"]]
            expected = [case.may("r", each, followed=True) for each in inside]
            assert [each is not None for each in shown["contained"]] == expected, (case.scope, one.id)


def check_followed(case: Case, holder: Held, name: str, shown: Any) -> None:
    recorded = holder.resource.get(name)
    pairs = zip(recorded, shown, strict=True) if isinstance(recorded, list) else [(recorded, shown)]
    for reference, found in pairs:
        if reference is None or "reference" not in reference:
            continue
        text = reference["reference"]
        target = case.matrix.all.get(f"{holder.source}/{local(text)}")
        if text.startswith("#"):
            inside = [one for one in holder.resource.get("contained", ()) if one["id"] == text[1:]]
            target = Held(holder.source, inside[0]) if inside else None
        if target is None:
            continue
        expected = case.may("r", target, followed=True)
        if target.type == "Patient":
            expected = case.sees_person("r", case.matrix.records(target))
        assert (found["resource"] is not None) == expected, (case.scope, holder.id, text)


def check_list(case: Case, found: Json, kind: str, about: frozenset[str] | None = None) -> None:
    """Every row is permitted, and every one of the sample is there whose source could be asked."""
    rows = [one["node"] for one in found["edges"]] if "edges" in found else found["nodes"]
    asked = {one["source"] for one in found["sources"] if one["status"] == "OK"}
    ids = {record["id"] for row in rows for record in (row["records"] if kind == "Patient" else [row])}
    if kind == "Patient":
        assert all(case.sees_person("s", [one["id"] for one in row["records"]]) for row in rows), case.scope
    else:
        forbidden = [one for one in ids if not case.may("s", case.matrix.all[one])]
        assert not forbidden, (case.scope, forbidden)
    wanted = [one for one in case.matrix.of(kind) if one.source in asked and case.may("s", one)]
    missing = [
        one.id
        for one in wanted
        if one.id not in ids and (about is None or subject(one.source, one.resource) in about)
    ]
    assert not missing, (case.scope, kind, missing)
    assert found.get("totalCount") in (None, len(rows)), case.scope
    assert about is None or all(
        subject(case.matrix.all[one].source, case.matrix.all[one].resource) in about for one in ids
    )


def is_unlistable(case: Case, kind: str) -> bool:
    """A token for one patient alone cannot list what is about no patient, nor anything of nobody's."""
    wide = " ".join(word for word in case.scope.split() if not word.startswith("patient/"))
    is_about = case.patient == MINE and kind in (*ABOUT_A_PATIENT, "Patient")
    return not is_about and not could(wide, "s", kind, is_for_patient=False)


def by_plain_list(case: Case) -> None:
    """The first page of lists without a filter, with what its rows hold."""
    house = case.matrix.house
    lists = " ".join(
        f"{ROOTS[kind][1]}(first: 100) {{ {ENDED} nodes {{ id {held} }} }}"
        for kind in ABOUT_A_PATIENT
        for held in ("", "contained { __typename id }")
        if (kind == "DiagnosticReport") is bool(held)
    )
    roots = [f'{name}: patient(id: "{house.id_of(one)}") {{ {lists} }}' for name, one in people(case)]
    told = case.ask(f"{{ {' '.join(roots)} }}")
    for name, person in people(case):
        about = case.matrix.persons[person.index]
        for kind in ABOUT_A_PATIENT:
            found = (told.data[name] or {}).get(ROOTS[kind][1])
            if found is not None:
                check_page(case, found, kind, about)


def check_page(case: Case, found: Json, kind: str, about: frozenset[str]) -> None:
    rows = {one["id"]: one for one in found["nodes"]}
    for id_, row in rows.items():
        held = case.matrix.all[id_]
        assert case.may("s", held), (case.scope, id_)
        assert subject(held.source, held.resource) in about, (case.scope, id_)
        inside = [Held(held.source, one) for one in held.resource.get("contained", ())]
        for one, shown in zip(inside, row.get("contained") or (), strict=False):
            assert (shown is not None) == case.may("r", one, followed=True), (case.scope, id_)
    if not found["pageInfo"]["hasNextPage"]:
        check_list(case, found, kind, about)


def check_requests(case: Case) -> None:
    """No source was asked for what no scope permits, but by the gateway to find out who somebody is."""
    mine = {f"Patient/{one.rpartition('/')[2]}" for one in case.matrix.own}
    for source, path, query in case.matrix.house.requests():
        kind = path.partition("/")[0]
        if kind not in TYPES or case.could("r", kind) or case.could("s", kind):
            continue
        is_identity = kind == "Patient" and ("identifier=" in query or path in mine)
        assert is_identity, (case.scope, source, path, query)


PATHS = (by_id, by_node, by_root_list, by_reverse_list, by_reference, by_plain_list)


def check(case: Case) -> None:
    """All paths, and what was asked of the sources by them."""
    case.matrix.house.forget_requests()
    for path in PATHS:
        path(case)
    check_requests(case)
