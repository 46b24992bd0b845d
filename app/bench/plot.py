"""A plot as SVG text: lines over two logarithmic axes, each named at its end; for light and for dark pages.

    panel    a title, and lines over the same axes; panels stand one below the other
    line     a name and points (x, y), all above 0; names that would overlap are moved apart

Colours come from a style sheet, so a page that is dark shows it dark; text and lines stand on a ground of their own.
Pure.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _PANEL_HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 130, 46, 56
_NAME_HEIGHT = 17
"""Between two names, in pixels: they are written 13 high."""

_ROOM = 0.04
"""Around the points, as a share of the axis."""

_LIGHT = ("#52525b", "#0f766e", "#1d4ed8", "#b45309", "#c81e5b")
_DARK = ("#a1a1aa", "#2dd4bf", "#7aa2ff", "#f5a742", "#fb7299")


def _colours(colours: Sequence[str]) -> str:
    # Written out for each: not everything that shows SVG knows variables.
    return " ".join(
        f".c{i} .line, .c{i} .leader {{ stroke: {colour} }} .c{i} .point, .c{i} .name {{ fill: {colour} }}"
        for i, colour in enumerate(colours)
    )


_STYLE = f"""
.ground {{ fill: #ffffff }} .grid {{ stroke: #e4e4e7; stroke-width: 1 }} .axis {{ stroke: #8b8b94; stroke-width: 1 }}
text {{ font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #3f3f46 }}
.title {{ font-size: 15px; font-weight: 600; fill: #18181b }} .tick {{ font-size: 12px; fill: #63636c }}
.line {{ fill: none; stroke-width: 2; stroke-linejoin: round }} .strong {{ stroke-width: 3.2 }}
.leader {{ stroke-width: 1; opacity: .5 }} .name {{ font-weight: 600 }}
{_colours(_LIGHT)}
@media (prefers-color-scheme: dark) {{
.ground {{ fill: #15161a }} .grid {{ stroke: #2b2d34 }} .axis {{ stroke: #70727c }} text {{ fill: #c9cad1 }}
.title {{ fill: #f4f4f5 }} .tick {{ fill: #9a9ca6 }}
{_colours(_DARK)}
}}
"""


@dataclass(frozen=True, slots=True)
class PlotLine:
    """`colour` counts from 0 to 4; `is_strong`: drawn thicker, it is what the plot is about."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    is_strong: bool = False

    def __post_init__(self) -> None:
        if any(x <= 0 or y <= 0 for x, y in self.points):
            raise ValueError(f"{self.name}: logarithmic axes have no place for 0 or less")


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same axes."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[PlotLine, ...]


def svg(panels: Sequence[Panel]) -> str:
    """The document; panels without points are left out."""
    drawn = [panel for panel in panels if any(line.points for line in panel.lines)]
    height = max(1, len(drawn)) * _PANEL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape('; '.join(panel.title for panel in drawn))}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
    ]
    for i, panel in enumerate(drawn):
        parts += [f'<g transform="translate(0 {i * _PANEL_HEIGHT})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


class _Axis:
    """Values on a logarithmic scale → pixels."""

    def __init__(self, values: Sequence[float], first_pixel: float, last_pixel: float) -> None:
        low, high = math.log(min(values)), math.log(max(values))
        room = max((high - low) * _ROOM, 0.1)
        self._low, self._high = low - room, high + room
        self._first, self._last = first_pixel, last_pixel

    def pixel(self, value: float) -> float:
        share = (math.log(value) - self._low) / (self._high - self._low)
        return self._first + share * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Round values within the axis: 1, 2 and 5 times powers of ten, or finer ones where those are too few."""
        ticks: list[float] = []
        for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
            ticks = [value for value in self._powers(steps) if self._low <= math.log(value) <= self._high]
            if len(ticks) >= 3:
                break
        return ticks

    def _powers(self, steps: Sequence[float]) -> Iterator[float]:
        first, last = math.floor(self._low / math.log(10)), math.ceil(self._high / math.log(10))
        for power in range(first, last + 1):
            for step in steps:
                yield step * 10.0**power


def _panel(panel: Panel) -> Iterator[str]:
    xs = [x for line in panel.lines for x, _ in line.points]
    ys = [y for line in panel.lines for _, y in line.points]
    right, bottom = _WIDTH - _RIGHT, _PANEL_HEIGHT - _BOTTOM
    x_axis, y_axis = _Axis(xs, _LEFT, right), _Axis(ys, bottom, _TOP)
    yield f'<text class="title" x="{_LEFT}" y="26">{escape(panel.title)}</text>'
    for value in y_axis.ticks():
        y = y_axis.pixel(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_milliseconds(value)}</text>'
    for value in sorted(set(xs)):  # what was measured, not round numbers beside it
        x = x_axis.pixel(value)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{value:,g}</text>'
    yield f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle:.1f}" y="{bottom + 42}" text-anchor="middle">{escape(panel.x_label)}</text>'
    middle = (_TOP + bottom) / 2
    yield (
        f'<text transform="translate(18 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(panel.y_label)}</text>'
    )
    lines = [line for line in panel.lines if line.points]
    ends = [y_axis.pixel(max(line.points)[1]) for line in lines]
    for line, name_y in zip(lines, apart(ends, _TOP, bottom), strict=True):
        points = [(x_axis.pixel(x), y_axis.pixel(y)) for x, y in sorted(line.points)]
        yield from _line(line, points, right + 14, name_y)


def _line(line: PlotLine, points: Sequence[tuple[float, float]], name_x: float, name_y: float) -> Iterator[str]:
    last_x, last_y = points[-1]
    yield f'<g class="c{line.colour}">'
    yield (f'<line class="leader" x1="{last_x + 5:.1f}" y1="{last_y:.1f}" x2="{name_x - 3:.1f}" y2="{name_y:.1f}"/>')
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline class="line{" strong" if line.is_strong else ""}" points="{path}"/>'
    for x, y in points:
        yield f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{4.2 if line.is_strong else 3.2}"/>'
    yield f'<text class="name" x="{name_x:.1f}" y="{name_y + 4:.1f}">{escape(line.name)}</text></g>'


def apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Places for names, at least their height apart, in the order of and as near as may be to where they are wanted."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[list[float]] = []  # wanted places whose names touch: they stand around their common middle
    for i in order:
        groups.append([wanted[i]])
        while len(groups) > 1 and _first(groups[-1]) < _last(groups[-2]) + _NAME_HEIGHT:
            groups[-2:] = [groups[-2] + groups[-1]]
    placed = [_first(group) + number * _NAME_HEIGHT for group in groups for number in range(len(group))]
    if placed and placed[-1] > high:
        placed = [place - (placed[-1] - high) for place in placed]
    if placed and placed[0] < low:
        placed = [place + (low - placed[0]) for place in placed]
    places = [0.0] * len(wanted)
    for i, place in zip(order, placed, strict=True):
        places[i] = place
    return places


def _first(group: Sequence[float]) -> float:
    return sum(group) / len(group) - (len(group) - 1) * _NAME_HEIGHT / 2


def _last(group: Sequence[float]) -> float:
    return _first(group) + (len(group) - 1) * _NAME_HEIGHT


def _milliseconds(value: float) -> str:
    return f"{value / 1e3:,g} s" if value >= 1e3 else f"{value:,g} ms"
