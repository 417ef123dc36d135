"""The figures, told on the screen and kept in bench/results/."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, Final

from bench.cases import TITLES
from bench.plot import plot
from bench.rounds import Figures

FOLDER: Final = Path(__file__).parent / "results"
_COLUMNS: Final = (
    ("floor_cpu_ms", "floor ms"),
    ("gateway_cpu_ms", "gateway ms"),
    ("stock_cpu_ms", "stock ms"),
    ("ratio_floor", "x floor"),
    ("ratio_stock", "stock x"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("rps", "requests/s"),
)


def tell(cases: dict[str, Figures]) -> None:
    """The table of the cases. Milliseconds of the first three columns are processor time per request."""
    print(f"\n{'case':<10}" + "".join(f"{title:>12}" for _, title in _COLUMNS))
    for name, row in cases.items():
        print(
            f"{name:<10}"
            + "".join(f"{row.get(key, float('nan')):>12g}" for key, _ in _COLUMNS)
            + f"  {TITLES[name]}"
        )


def tell_curve(name: str, curve: list[Figures]) -> None:
    """The points of one curve."""
    print(f"\n{name}")
    for point in curve:
        rest = ", ".join(f"{key} {value:g}" for key, value in point.items() if key != "at")
        print(f"  {point['at']:>7g}  {rest}")


def keep(found: dict[str, Any]) -> list[Path]:
    """Writes the day's file; the latest one and the plot only where all cases were measured."""
    FOLDER.mkdir(exist_ok=True)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    written = [_write(FOLDER / f"{today}.json", {"date": today, **found})]
    written.append(_write(FOLDER / "latest.json", {"cases": found["cases"]}))
    (FOLDER / "latest.svg").write_text(plot(found["cases"], found.get("growth", {})))
    return [*written, FOLDER / "latest.svg"]


def _write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
