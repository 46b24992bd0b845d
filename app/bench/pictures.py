"""The plots of `steep bench ttft`: the first token over the context's size, or over the speed of reading; pure."""

from collections.abc import Callable, Sequence

from app.bench.cells import Cell
from app.bench.plot import Panel, PlotLine, svg
from app.bench.result import Result
from app.bench.ways import Way
from app.wording import counted

_COLOURS = {"full": 0, "reuse": 1, "cake": 2, "auto": 4}
_BLEND_COLOUR = 3


def picture(result: Result) -> str:
    """As SVG. Of a sweep one panel per context, else one of all contexts."""
    cells = result.cells
    if all(cell.rate_gbit is None for cell in cells):
        title = f"Time to the first token, {result.model_name}"
        return svg([_panel(title, "context tokens", cells, lambda cell: float(cell.num_context_tokens))])
    sizes = dict.fromkeys(cell.num_context_tokens for cell in cells)
    return svg(
        [
            _panel(
                f"Time to the first token, {result.model_name}, {counted(size, 'context token')}",
                "states are read at, Gbit/s",
                [cell for cell in cells if cell.num_context_tokens == size],
                lambda cell: cell.rate_gbit or 0.0,
            )
            for size in sizes
        ]
    )


def _panel(title: str, x_label: str, cells: Sequence[Cell], x_of: Callable[[Cell], float]) -> Panel:
    ways: dict[Way, list[tuple[float, float]]] = {}
    for cell in cells:
        for row in cell.rows():
            ways.setdefault(row.way, []).append((x_of(cell), row.first_token_ms))
    lines = tuple(
        PlotLine(way.name, tuple(points), _COLOURS.get(way.name, _BLEND_COLOUR), is_strong=way.name == "auto")
        for way, points in ways.items()
    )
    return Panel(title, x_label, "first token", lines)
