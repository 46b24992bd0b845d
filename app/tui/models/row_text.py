"""A line of the list of models as text of a given width: as many columns as leave room for the name. Pure.

● qwen2.5-coder-0.5b-instruct-q4_k_m    491 MB  0.5B Q4_K_M    ✓ fits       blended
cells 0-1: whether it answers or is being loaded
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from app.terminal import printable
from app.tui.library.row_text import shortened
from app.tui.models.entry import ModelEntry, State
from app.wording import size

if TYPE_CHECKING:
    from app.models.fit import Verdict

_MARK_CELLS = 2
_GAP = 2
_SHORTEST_NAME = 24

MARKS = {
    State.ANSWERS: ("●", "$text-success"),
    State.LOADING: ("◐", "$text-warning"),
    State.FAILED: ("!", "$text-error"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A model as it is listed now."""

    entry: ModelEntry
    state: State = State.NONE
    reason: str = ""
    """Why it could not be loaded, as a sentence."""


class Column(NamedTuple):
    """What stands below a title; the style goes with the words of a cell."""

    title: str
    num_cells: int
    cell: Callable[[Row], tuple[str, str]]
    is_number: bool = False
    rank: int = 0
    """Columns of a higher rank are the first to go where room is short; 0: it always stays."""


def kv_size(num_bytes: int) -> str:
    """Of one token: `12.3 KB`, or nothing where the file does not say."""
    return f"{num_bytes / 1e3:,.1f} KB" if num_bytes else ""


def fit_words(verdict: "Verdict") -> tuple[str, str]:
    """Sign and words, and their style."""
    from app.models.fit import Verdict

    if verdict is Verdict.FITS:
        return f"✓ {verdict}", "$text-success"
    return (f"~ {verdict}", "$text-warning") if verdict is Verdict.TIGHT else (f"✗ {verdict}", "$text-error")


def _size(row: Row) -> tuple[str, str]:
    return size(row.entry.model.num_bytes), ""


def _label(row: Row) -> tuple[str, str]:
    return row.entry.label, ""


def _source(row: Row) -> tuple[str, str]:
    return str(row.entry.model.source), "$foreground-muted"


def _context(row: Row) -> tuple[str, str]:
    facts = row.entry.facts
    return f"{facts.context_length:,}" if facts and facts.context_length else "", ""


def _kv(row: Row) -> tuple[str, str]:
    return kv_size(row.entry.facts.kv_bytes_per_token) if row.entry.facts else "", ""


def _fit(row: Row) -> tuple[str, str]:
    return ("", "") if row.entry.model.problem else fit_words(row.entry.fit.verdict)


def _verdict(row: Row) -> tuple[str, str]:
    entry = row.entry
    if row.reason:
        return "! failed", "$text-error"
    if entry.model.problem:
        return "! unusable", "$text-error"
    if entry.model.is_embedding:
        return "search", "$foreground-muted"
    if entry.facts is None:
        return "in parts", "$foreground-muted"
    return ("blended", "$text-success") if entry.facts.blendable else ("exact", "$text-warning")


_COLUMNS = (
    Column("Size", 7, _size, is_number=True),
    Column("Model", 14, _label),
    Column("From", 12, _source, rank=3),
    Column("Context", 9, _context, is_number=True, rank=1),
    Column("KV/token", 8, _kv, is_number=True, rank=2),
    Column("Memory", 11, _fit),
    Column("Answers", 10, _verdict),
)


def columns_for(width: int) -> tuple[Column, ...]:
    """The columns beside the name in a line of that many cells."""
    columns = _COLUMNS
    while name_cells(width, columns) < _SHORTEST_NAME and any(column.rank for column in columns):
        last = max(columns, key=lambda column: column.rank)
        columns = tuple(column for column in columns if column is not last)
    return columns


def name_cells(width: int, columns: tuple[Column, ...]) -> int:
    """What is left for the name."""
    return width - _MARK_CELLS - sum(column.num_cells + _GAP for column in columns)


def header_text(width: int) -> Content:
    """The titles of the columns."""
    columns = columns_for(width)
    titles = [_aligned(column.title, column) for column in columns]
    name = set_cell_size("Name", max(0, name_cells(width, columns)))
    return Content(" " * _MARK_CELLS + (" " * _GAP).join((name, *titles)))


def row_text(row: Row, width: int) -> Content:
    """The line of one model."""
    columns = columns_for(width)
    num_cells = max(1, name_cells(width, columns))
    name = shortened(printable(row.entry.model.name).replace("\n", "\ufffd"), num_cells)
    mark, mark_style = MARKS.get(row.state, (" ", ""))
    parts: list[tuple[str, str]] = [(f"{mark} ", mark_style), (set_cell_size(name, num_cells), "")]
    for column in columns:
        text, style = column.cell(row)
        parts += [(" " * _GAP, ""), (_aligned(text, column), style)]
    return Content.assemble(*parts)


def _aligned(text: str, column: Column) -> str:
    cut = shortened(printable(text), column.num_cells)
    blanks = " " * (column.num_cells - cell_len(cut))
    return blanks + cut if column.is_number else cut + blanks
