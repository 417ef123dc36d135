"""The figures as a picture: SVG by hand, so that the documentation can show it and a diff can read it."""

from __future__ import annotations

import math
from typing import Final
from xml.sax.saxutils import escape

from bench.rounds import Figures

WIDTH: Final = 880
ROW: Final = 62
TOP: Final = 64
LEFT: Final = 92
BAR: Final = 14
PANEL: Final = 150
COLORS: Final = {"floor": "#8a8f98", "gateway": "#1f6feb", "stock": "#d29922"}
NAMES: Final = {"floor": "hand-written", "gateway": "Clinical Gateway", "stock": "stock executor"}
CURVES: Final = {
    "rows": "rows",
    "fields": "selected fields",
    "sources": "sources",
    "concurrency": "concurrency",
    "documents": "distinct documents",
}


def plot(cases: dict[str, Figures], growth: dict[str, list[Figures]]) -> str:
    """Bars for the cases and, where they were measured, the growth curves below."""
    below = TOP + ROW * len(cases) + 24
    height = below + (PANEL + 70 if growth else 0)
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="#24292f"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 24, "Processor milliseconds per request (logarithmic; shorter is better)", size=15),
        *_legend(),
        *_bars(cases),
        *_panels(growth, below),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    parts, x = [], 16.0
    for name, color in COLORS.items():
        parts += [
            f'<rect x="{x}" y="38" width="12" height="12" fill="{color}"/>',
            _text(x + 17, 48, NAMES[name]),
        ]
        x += 150
    return parts


def _bars(cases: dict[str, Figures]) -> list[str]:
    all_values = [
        row[f"{name}_cpu_ms"] for row in cases.values() for name in COLORS if f"{name}_cpu_ms" in row
    ]
    scale = _Log(min(all_values) / 2, max(all_values), LEFT, WIDTH - 150)
    parts = []
    for number, (case, row) in enumerate(cases.items()):
        y = TOP + ROW * number
        parts.append(_text(16, y + 27, case, size=14))
        for place, (name, color) in enumerate(COLORS.items()):
            value = row.get(f"{name}_cpu_ms")
            if value is None:
                continue
            end, at = scale.at(value), y + place * (BAR + 3)
            parts.append(
                f'<rect x="{LEFT}" y="{at}" width="{end - LEFT:.1f}" height="{BAR}" fill="{color}"/>'
            )
            parts.append(_text(end + 6, at + 11, _told(name, value, row)))
    return parts


def _told(name: str, value: float, row: Figures) -> str:
    if name == "gateway" and "ratio_floor" in row:
        return f"{value:.2f}  ({row['ratio_floor']:.2f} x floor)"
    return f"{value:.2f}"


def _panels(growth: dict[str, list[Figures]], top: int) -> list[str]:
    if not growth:
        return []
    parts = [_text(16, top + 6, "How it grows (both axes logarithmic)", size=15)]
    shown = [(name, growth[name]) for name in CURVES if name in growth]
    room = (WIDTH - 32) / len(shown)
    for number, (name, curve) in enumerate(shown):
        parts += _panel(CURVES[name], curve, 16 + number * room, top + 36, room - 24)
    return parts


def _panel(title: str, curve: list[Figures], left: float, top: float, width: float) -> list[str]:
    points = [(point["at"], point["gateway_cpu_ms"]) for point in curve]
    across = _Log(points[0][0], points[-1][0], left + 10, left + width - 30)
    values = [value for _, value in points]
    up = _Log(min(values) / 1.5, max(values) * 1.5, top + PANEL - 24, top + 12)
    placed = [(across.at(at), up.at(value)) for at, value in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    parts = [
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{PANEL - 14}" fill="#f6f8fa"/>',
        f'<polyline points="{line}" fill="none" stroke="{COLORS["gateway"]}" stroke-width="2"/>',
        _text(left, top + PANEL + 4, title),
    ]
    for (x, y), (at, value) in zip(placed, points, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLORS["gateway"]}"/>')
        parts.append(_text(x - 8, y - 7, f"{value:.3g}", size=9))
        parts.append(_text(x - 6, top + PANEL - 18, f"{at:g}", size=9))
    return parts


class _Log:
    """A logarithmic scale from values to places."""

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        self._low, self._first = math.log(low), first
        self._step = (last - first) / ((math.log(high) - self._low) or 1.0)

    def at(self, value: float) -> float:
        return self._first + (math.log(value) - self._low) * self._step


def _text(x: float, y: float, text: str, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>'
