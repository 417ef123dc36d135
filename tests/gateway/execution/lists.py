"""Random operations that list rows, and random rows for them: mostly right FHIR, at times odd."""

from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type, is_leaf_type
from hypothesis import strategies as st
from msgspec import Raw

from gateway.execution.facts import DEFINITION
from schema.field import ElementField
from schema.view import ViewField
from tests.gateway.execution.operations import VARIABLES

Json = dict[str, Any]
FIELDS = {
    "Observation": "observations",
    "Condition": "conditions",
    "Encounter": "encounters",
    "Procedure": "procedures",
    "MedicationRequest": "medicationRequests",
    "Appointment": "appointments",
}
DATED = {
    "Observation": "effectiveDateTime",
    "Condition": "recordedDate",
    "Encounter": "period",
    "Procedure": "performedDateTime",
    "MedicationRequest": "authoredOn",
    "Appointment": "start",
}
BESIDE = {
    "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }",
    "completeness",
    "totalCount",
    "sources { source status message }",
    "__typename",
}
LIKED = {
    "Observation": "code category valueQuantity valueInteger valueBoolean component note referenceRange"
    " issued status subject effectiveDateTime effectivePeriod identifier effectiveInstant effectiveTiming",
    "Condition": "code verificationStatus clinicalStatus recordedDate note stage subject",
    "Encounter": "status class period subject type location length",
    "Procedure": "code status performedDateTime performedPeriod subject note performedString performedAge",
    "MedicationRequest": "status intent authoredOn subject dosageInstruction medicationCodeableConcept",
    "Appointment": "status start minutesDuration participant",
    "CodeableConcept": "coding text id display",
    "Coding": "system code display userSelected id",
    "Quantity": "value unit code comparator valueText display",
    "Duration": "value unit display",
    "Age": "value unit",
    "Period": "start end",
    "Reference": "reference display identifier type",
    "Annotation": "text time authorString",
    "ObservationComponent": "code valueQuantity valueString valueInteger",
    "ObservationReferenceRange": "low high text",
    "Dosage": "text sequence asNeededBoolean doseAndRate",
    "DosageDoseAndRate": "doseQuantity type",
    "Identifier": "system value period",
    "EncounterLocation": "location status",
}
PAGES = ["", "(first: 0)", "(first: 1)", "(first: 2)", "(first: 3)", "(first: $n)"]
OTHER_PAGES = [
    "(last: 2)",
    "(last: $n)",
    "(require: COMPLETE)",
    "(first: 2, duplicates: COLLAPSE)",
    "(last: 2, duplicates: COLLAPSE)",
    "(duplicates: SHOW)",
    '(changedSince: "2020-01-01T00:00:00Z")',
    "(first: 1, last: 1)",
]
"""What never goes the short way, or may be refused."""
OWN = [
    "id",
    "resourceType",
    "key: id",
    "id resourceType",
    "origin { name fhirId cached }",
    "origin { versionId retrievedAt __typename }",
    "from: origin { at: lastUpdated }",
]
"""What is no element, but follows from a row."""
OTHER = {
    "Condition": "contained { id }",
    "Reference": "resource { id }",
    "Quantity": 'converted(unit: "g") { value unit }',
}
"""What is no element, or no plain one: its list goes the long way."""
ARGUMENTS = {
    "CodeableConcept.coding": (
        "",
        "",
        '(system: "http://loinc.org")',
        '(system: "none")',
        "(system: null)",
        "(system: $s)",
    ),
    "CodeableConcept.display": (
        "",
        '(preferring: ["http://loinc.org"])',
        "(preferring: [])",
        "(preferring: $p)",
        "(preferring: [$d])",
    ),
}


class Lists:
    """Draws an operation with a few lists, whose rows are asked for elements and hardly anything else."""

    def __init__(self, draw: Any, schema: GraphQLSchema) -> None:
        self._draw = draw
        self._schema = schema
        self._fragments: list[str] = []
        self._elements_only = draw(st.integers(0, 9)) > 0
        self._types = draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=2, unique=True))

    def text(self) -> str:
        """The operation."""
        own, root, all_ = [], [], []
        for index in range(self._draw(st.integers(1, 3))):
            made = f"l{index}: {self._list()}"
            place = self._draw(st.integers(0, 9))
            (own if place < 7 else root if place < 9 else all_).append(made)
        parts = [f'patient(id: "a/Patient/1") {{ id {" ".join(own)} }}', *root]
        parts += [f"patients(first: 2) {{ nodes {{ {' '.join(all_)} }} completeness }}"] if all_ else []
        whole = "\n".join([f"{{ {' '.join(parts)} }}", *self._fragments])
        used = [declared for name, declared in VARIABLES.items() if name in whole]
        return f"query{'(' + ', '.join(used) + ')' if used else ''} {whole}"

    def _list(self) -> str:
        type_ = self._draw(st.sampled_from(self._types))
        rows = self._type(type_)
        first = self._draw(st.sampled_from(PAGES if self._draw(st.integers(0, 3)) else OTHER_PAGES))
        parts = [f"nodes {{ {self._selections(rows, 0)} }}"]
        parts += self._draw(st.lists(st.sampled_from(sorted(BESIDE)), max_size=3, unique=True))
        if self._draw(st.integers(0, 7)) == 0:
            parts.append(f"again: nodes {{ {self._selections(rows, 0)} }}")
        if not self._elements_only and self._draw(st.booleans()):
            parts.append(f"edges {{ cursor node {{ {self._selections(rows, 0)} }} duplicates {{ id }} }}")
        return f"{FIELDS[type_]}{first} {{ {' '.join(parts)} }}"

    def _type(self, name: str) -> GraphQLObjectType:
        kind = self._schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        return kind

    def _selections(self, kind: GraphQLObjectType, depth: int) -> str:
        count = self._draw(st.integers(1, 4))
        return " ".join(self._selection(kind, depth) for _ in range(count))

    def _selection(self, kind: GraphQLObjectType, depth: int) -> str:
        form = self._draw(st.integers(0, 13))
        if form == 0:
            return "__typename"
        if form == 1:
            return f"... on {kind.name} {self._directive()} {{ {self._selections(kind, depth)} }}"
        if form == 2:
            name = f"F{len(self._fragments)}"
            self._fragments.append("")
            body = f"fragment {name} on {kind.name} {{ {self._selections(kind, depth)} }}"
            self._fragments[int(name[1:])] = body
            return f"...{name} {self._directive()}"
        if form == 3 and kind.name in FIELDS:
            return self._draw(st.sampled_from(OWN))
        if form == 4 and not self._elements_only and kind.name in OTHER:
            return OTHER[kind.name]
        return self._element(kind, depth)

    def _element(self, kind: GraphQLObjectType, depth: int) -> str:
        names = [name for name in kind.fields if self._is_wanted(kind, name, depth)]
        liked = [name for name in LIKED.get(kind.name, "").split() if name in names]
        pool = liked if liked and self._draw(st.integers(0, 9)) else names
        name = self._draw(st.sampled_from(pool))
        inner = get_named_type(kind.fields[name].type)
        below = ""
        if isinstance(inner, GraphQLObjectType):
            below = f" {{ {self._selections(inner, depth + 1)} }}"
        alias = self._draw(st.sampled_from(["", "", "", "", f"x_{name}: ", f"y_{name}: "]))
        arguments = self._draw(st.sampled_from(ARGUMENTS.get(f"{kind.name}.{name}", ("",))))
        if arguments:  # fields of one key have the same arguments
            alias = f"z{self._draw(st.integers(0, 99_999))}: "
        return f"{alias}{name}{arguments} {self._directive()}{below}"

    def _is_wanted(self, kind: GraphQLObjectType, name: str, depth: int) -> bool:
        field = kind.fields[name]
        if not isinstance(field.extensions.get(DEFINITION), ElementField | ViewField):
            return False
        inner = get_named_type(field.type)
        is_leaf = is_leaf_type(inner)
        return is_leaf or (depth < 3 and isinstance(inner, GraphQLObjectType) and "xtension" not in name)

    def _directive(self) -> str:
        chosen = self._draw(st.integers(0, 12))
        return ("@include(if: $t)", "@skip(if: $f)", "@include(if: false)")[chosen] if chosen < 3 else ""


def _number(text: str) -> Raw:
    return Raw(text.encode())


_CODING = {"system": "http://loinc.org", "code": "1-8", "display": "µ", "userSelected": True, "id": "c"}
_CONCEPT = {"coding": [_CODING, None, {"code": "b"}], "text": "t", "id": "x"}
_AMOUNTS = [
    {"value": _number(text), "unit": "kg"}
    for text in ("5.10", "5", "-3", "0", "1E400", "1e-7", "-0.0", "9" * 30)
]
_NOTES = [[{"text": "n", "time": "2020"}], [None, {"text": ""}], []]
_META = [{"versionId": "3", "lastUpdated": "2020-01-01T00:00:00Z", "profile": ["p"]}, {"versionId": None}]
_WHEN = [{"start": "2020-01-01", "end": "2020-02"}, {"start": "2019"}, {"end": "2021"}, {}]
RIGHT: dict[str, dict[str, list[Any]]] = {
    "Observation": {
        "code": [_CONCEPT, {"text": "u"}, {}],
        "category": [[_CONCEPT], [{"coding": []}, None], []],
        "valueQuantity": _AMOUNTS,
        "valueInteger": [0, 7, -(2**31), 2**31 - 1],
        "valueBoolean": [True, False],
        "component": [
            [{"valueQuantity": one, "code": {"text": "c"}} for one in _AMOUNTS[:2]],
            [None, {"valueInteger": 1}],
        ],
        "referenceRange": [[{"low": _AMOUNTS[0], "text": "r"}, {"high": None}]],
        "issued": ["2020-01-01T00:00:00Z"],
        "note": _NOTES,
        "identifier": [[{"system": "s", "value": "v", "period": _WHEN[0]}]],
    },
    "Condition": {
        "code": [_CONCEPT],
        "verificationStatus": [
            {"coding": [{"code": "confirmed"}], "text": "v"},
            {"coding": [None, {"code": "refuted"}]},
            {},
        ],
        "clinicalStatus": [{"coding": [{"code": "active"}, {"code": "x"}]}, {"text": "gone"}],
        "note": _NOTES,
    },
    "Encounter": {
        "class": [_CODING],
        "type": [[_CONCEPT]],
        "length": [{"value": _number("90"), "unit": "min"}],
    },
    "Procedure": {"code": [_CONCEPT], "note": _NOTES, "status": ["completed"]},
    "MedicationRequest": {
        "intent": ["order", "plan"],
        "doNotPerform": [True, False],
        "medicationCodeableConcept": [_CONCEPT],
        "dosageInstruction": [
            [{"text": "d", "sequence": 1, "doseAndRate": [{"doseQuantity": _AMOUNTS[0]}, None]}]
        ],
    },
    "Appointment": {"minutesDuration": [15], "status": ["booked"]},
}
ODD: list[tuple[str, Any]] = [
    ("meta", "m"),
    ("meta", {"versionId": 3, "lastUpdated": ["2020"]}),
    ("modifierExtension", [{"url": "u"}]),
    ("modifierExtension", []),
    ("doNotPerform", "yes"),
    ("status", "cancelled"),
    ("clinicalStatus", 7),
    ("code", "text"),
    ("code", {"coding": {"code": "x"}, "text": 5}),
    ("code", [{}]),
    ("note", "bad"),
    ("category", [3, {"text": "x"}]),
    ("valueQuantity", {"value": "5.10", "unit": 7}),
    ("valueQuantity", {"value": _number("-0")}),
    ("valueQuantity", {"value": None, "unit": "kg"}),
    ("component", [{"valueQuantity": {"value": True}}]),
    ("referenceRange", [{"low": {"value": []}}]),
    ("valueInteger", 2**31),
    ("valueInteger", _number("5.0")),
    ("valueInteger", _number("-0")),
    ("valueBoolean", "true"),
    ("status", "entered-in-error"),
    ("status", 5),
    ("lifecycleStatus", "entered-in-error"),
    ("verificationStatus", {"coding": [None, {"code": "entered-in-error"}]}),
    ("verificationStatus", "entered-in-error"),
    ("subject", {"reference": "Patient/77"}),
    ("subject", {"reference": "https://a.example/fhir/Patient/1"}),
    ("subject", {"reference": "Patient/1/_history/3"}),
    ("subject", {"reference": "#p"}),
    ("subject", {"display": "nobody"}),
    ("subject", 8),
    ("subject", None),
    ("id", None),
    ("id", 5),
    ("id", "same"),
    ("id", "a/b #c"),
    ("effectiveDateTime", "2020-05-03T10:00:00+01"),
    ("effectiveDateTime", ""),
    ("effectiveInstant", "2020-05-03T10:00:00Z"),
    ("effectiveTiming", {"event": ["2022"]}),
    ("effectivePeriod", {"start": "2020", "end": "2019"}),
    ("performedPeriod", {"start": "2020"}),
    ("performedAge", {"value": 5}),
    ("recordedDate", "soon"),
    ("authoredOn", 2020),
    ("period", {"start": "2020-02", "end": "2020-01"}),
    ("period", {"end": "2020"}),
    ("period", "2020"),
]
DATES = (
    "2020-05-03T10:00:00Z",
    "2020-05-03T12:00:00+02:00",
    "2020-05-03T10:00:00.000Z",
    "2020-05-03T10:00:00.5-01:00",
    "2020-05-03T10:00",
    "2020-05-03",
    "2020-05",
    "2020",
    "2019-12-31T23:59:60Z",
)


@st.composite
def rows(draw: Any, type_: str, patient_id: str) -> list[Json]:
    """The rows that a source holds of a type, nearly all of them about one patient."""
    ids = draw(st.lists(st.sampled_from("0123456789abcdef"), max_size=6, unique=True))
    made = [_row(draw, type_, id_, patient_id) for id_ in ids]
    if made and draw(st.integers(0, 4)) == 0:
        for name, value in draw(st.lists(st.sampled_from(ODD), min_size=1, max_size=2)):
            draw(st.sampled_from(made))[name] = value
    return made


def _row(draw: Any, type_: str, id_: str, patient_id: str) -> Json:
    who = {"reference": f"Patient/{patient_id}", "display": "D"}
    one: Json = {"resourceType": type_, "id": id_, "status": "final"}
    one |= {"participant": [{"actor": who}]} if type_ == "Appointment" else {"subject": who}
    for name, values in [*RIGHT[type_].items(), ("meta", _META)]:
        if draw(st.booleans()):
            one[name] = draw(st.sampled_from(values))
    when = draw(st.sampled_from(DATES)) if draw(st.integers(0, 40)) else None
    if when is not None:
        one[DATED[type_]] = {"start": when} if DATED[type_] == "period" else when
    return one
