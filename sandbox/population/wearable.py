"""A wearable vendor's accounts, in the row shapes of its documented API (UPSTREAMS.md, Withings-like).

Traps among the rows: goals (category 2), measures perhaps of another person (attrib 1), entered by hand
(attrib 2 and 4), groups with half of a pressure pair, and values such as 7050 x 10^-2, which is 70.50.
"""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.population.identity import Identity
from sandbox.population.model import REFERENCE_DATE, Account
from sandbox.population.stream import Stream

TIMEZONE = "Europe/London"
BRACKET = date(2025, 9, 1)
Json = dict[str, Any]


def account(person: Identity, seed: int) -> Account:
    """The account of one person; the same person and seed give the same account."""
    assert person.recorded_number is not None
    draw = Stream(seed, person.index, "wearable")
    user = str(30_000_000 + (person.index * 7_919 + seed * 131) % 9_999_991)
    days = sorted({draw.day(BRACKET, REFERENCE_DATE - timedelta(days=1)) for _ in range(draw.number(25, 60))})
    return Account(
        user_id=user,
        token=hashlib.sha256(f"{seed}:wearable:{user}".encode()).hexdigest()[:40],
        nhs_number=person.recorded_number,
        timezone=TIMEZONE,
        measuregrps=_groups(draw, days, _body(draw, person)),
        activities=[_activity(draw, day, user) for day in days[::3]],
        sleep=[_sleep(draw, day, int(user)) for day in days[::4]],
    )


def _body(draw: Stream, person: Identity) -> dict[int, float]:
    """The person's usual values by measure type."""
    weight = draw.normal(82.0 if person.sex == "male" else 69.0, 6.0)
    pressure = {9: draw.normal(79, 4), 10: draw.normal(131, 7)}
    return {1: max(45.0, weight), **pressure, 11: draw.normal(70, 6), 6: 25.0}


def _groups(draw: Stream, days: list[date], usual: dict[int, float]) -> list[Json]:
    groups = [_goal(draw, days[0])]
    for day in days:
        kinds = draw.some(("pressure", "scale", "watch", "thermometer"), draw.number(1, 2))
        groups.extend(_group(draw, day, kind, usual) for kind in kinds)
    groups.sort(key=lambda group: (group["date"], group["grpid"]))
    return groups


def _group(draw: Stream, day: date, kind: str, usual: dict[int, float]) -> Json:
    measures, model = _measures(draw, kind, usual)
    attrib = draw.pick_weighted((0, 1, 2, 4), (90.0, 3.0, 5.0, 2.0))
    return _envelope(draw, day, measures, model, attrib=attrib, category=1)


def _measures(draw: Stream, sensor: str, usual: dict[int, float]) -> tuple[list[Json], str]:
    if sensor == "pressure":
        spreads = ((9, 5.0), (10, 8.0), (11, 6.0))
        pair = [_measure(kind, round(draw.normal(usual[kind], spread)), 0) for kind, spread in spreads]
        return (pair if not draw.chance(0.04) else pair[1:2]), "BPM Core"
    if sensor == "scale":
        grams = round(draw.normal(usual[1], 0.8) * 100) * 10
        return [_measure(1, grams, -3), _measure(6, round(draw.normal(usual[6], 1.0) * 10), -1)], "Body+"
    if sensor == "watch":
        rate = round(draw.normal(usual[11], 9))
        return [_measure(54, draw.number(94, 99), 0), _measure(11, rate, 0)], "ScanWatch"
    return [_measure(71, round(draw.normal(36.7, 0.3) * 100), -2)], "Thermo"


def _goal(draw: Stream, day: date) -> Json:
    return _envelope(draw, day, [_measure(1, 70000, -3)], "Body+", attrib=0, category=2)


def _measure(kind: int, value: int, unit: int) -> Json:
    return {"value": value, "type": kind, "unit": unit}


def _envelope(draw: Stream, day: date, measures: list[Json], model: str, attrib: int, category: int) -> Json:
    moment = _unix(day) + draw.number(6 * 3600, 22 * 3600)
    return {
        "grpid": draw.number(4_000_000_000, 8_999_999_999),
        "attrib": attrib,
        "date": moment,
        "created": moment + 40,
        "modified": moment + 42,
        "category": category,
        "deviceid": hashlib.sha256(model.encode()).hexdigest()[:40],
        "measures": measures,
        "model": model,
    }


def _activity(draw: Stream, day: date, user: str) -> Json:
    steps = draw.number(900, 17_000)
    return {
        "date": day.isoformat(),
        "timezone": TIMEZONE,
        "deviceid": hashlib.sha256(f"{user}:watch".encode()).hexdigest()[:40],
        "brand": 18,
        "is_tracker": True,
        "steps": steps,
        "distance": steps * 74 // 100,
        "elevation": draw.number(0, 40),
        "soft": draw.number(600, 9000),
        "moderate": draw.number(0, 3600),
        "intense": draw.number(0, 1800),
        "active": draw.number(0, 5400),
        "calories": steps // 25,
        "totalcalories": 1500 + steps // 25,
        "hr_average": draw.number(62, 88),
        "hr_min": draw.number(46, 58),
        "hr_max": draw.number(105, 170),
        "modified": _unix(day) + 86_400 + draw.number(60, 6000),
    }


def _sleep(draw: Stream, day: date, user: int) -> Json:
    start = _unix(day) - draw.number(600, 7200)
    light, deep, rem = draw.number(9000, 15000), draw.number(3600, 7200), draw.number(3600, 7200)
    wakeup = draw.number(0, 3600)
    end = start + light + deep + rem + wakeup
    return {
        "id": user * 100 + (day - BRACKET).days,
        "timezone": TIMEZONE,
        "model": 93,
        "model_id": 93,
        "startdate": start,
        "enddate": end,
        "date": day.isoformat(),
        "created": end + 120,
        "modified": end + 125,
        "data": {
            "wakeupduration": wakeup,
            "wakeupcount": draw.number(0, 5),
            "lightsleepduration": light,
            "deepsleepduration": deep,
            "remsleepduration": rem,
            "hr_average": draw.number(50, 66),
            "rr_average": draw.number(12, 18),
            "sleep_score": draw.number(48, 95),
        },
    }


def _unix(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
