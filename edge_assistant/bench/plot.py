"""Draws bars as SVG, which every browser and the documentation show; no library is needed for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _LABEL, _ROW, _BAR, _TOP = 720, 170, 34, 20, 40
_ROOM_FOR_NUMBERS = 110
_TEXT = 13


class Bar(NamedTuple):
    """One line: a value, and how far it goes on bad days."""

    label: str
    usual: float
    worst: float


def bars(title: str, unit: str, lines: Sequence[Bar]) -> str:
    """Return an SVG with a bar for each line: dark up to `usual`, light up to `worst`."""
    longest = max((line.worst for line in lines), default=0.0) or 1.0
    scale = (_WIDTH - _LABEL - _ROOM_FOR_NUMBERS) / longest
    drawn = "\n".join(_bar(line, unit, scale, _TOP + number * _ROW) for number, line in enumerate(lines))
    height = _TOP + len(lines) * _ROW + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="{_TEXT}">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="12" y="24" font-weight="bold">{escape(title)}</text>\n{drawn}\n</svg>\n'
    )


def _bar(line: Bar, unit: str, scale: float, top: int) -> str:
    usual, worst = (round(max(value, 0.0) * scale, 1) for value in (line.usual, line.worst))
    middle = top + _BAR * 3 // 4
    numbers = f"{line.usual:.0f} / {line.worst:.0f} {escape(unit)}"
    return (
        f'<text x="{_LABEL - 10}" y="{middle}" text-anchor="end">{escape(line.label)}</text>\n'
        f'<rect x="{_LABEL}" y="{top}" width="{worst}" height="{_BAR}" fill="#b8d3ea"/>\n'
        f'<rect x="{_LABEL}" y="{top}" width="{usual}" height="{_BAR}" fill="#2b6ca3"/>\n'
        f'<text x="{_LABEL + worst + 8}" y="{middle}">{numbers}</text>'
    )
