"""Tables with separators (CSV, TSV): each row as lines "column: value", understandable without the table's head.

The document's text is rebuilt: a chunk from the middle of a table would be bare numbers, and models pair values with
columns better when each value has its name beside it. Empty cells are left out, so a wide table with few values stays
short. A table without a head has rows "cell | cell"; lines above a table stay as they are; what is no table at all is
read as plain text.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

from app.formats import plain_text
from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter

# Where several fit equally well, the first is meant: commas also stand in numbers and lists, tabs nowhere else.
_SEPARATORS = "\t;|,"

# Enough rows to tell a separator and a head by.
_SAMPLE_NUM_CHARS = 64 * 1024
_SAMPLE_NUM_ROWS = 100

# Of the rows, how many must have the same number of cells. Prose with commas stays far below.
_MIN_EVEN_SHARE = 0.5

# Column names stand in every row, so a long table grows when it is written out. 4 million characters are some 1.5
# million tokens; the rows behind them are counted and named as left out.
MAX_NUM_CHARS = 4_000_000

# Headless rows are short; as many as stand in a few sentences are one passage.
_GROUP_NUM_CHARS = 400

# Excel's own first line, which names the separator.
_NAMED_SEPARATOR = re.compile(r'"?sep=([^\w "\n])"?\n', re.IGNORECASE)

_NUMBER = re.compile(r"[+-]?[\d.,:/\s\u00a0-]*\d[\d.,:/\s\u00a0-]*%?")
_YEAR = re.compile(r"(?:1[89]|20)\d\d")

# A row no table has: it comes out whole behind a table, unless a quote was left open.
_LAST_ROW = "\ue000"

Row = list[str]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How the cells of a table are told apart."""

    separator: str
    quoting: int
    """csv.QUOTE_MINIMAL, or csv.QUOTE_NONE where quotes are mere characters."""

    def rows(self, text: str) -> Iterator[Row]:
        """The rows with at least one word. Raises csv.Error where a cell is longer than the csv module takes."""
        lines = io.StringIO(text)
        for row in csv.reader(lines, delimiter=self.separator, quoting=self.quoting, skipinitialspace=True):  # pyright: ignore[reportArgumentType]
            if any(cell and not cell.isspace() for cell in row):
                yield row


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the file name without its suffix."""
    text = decode(data, name)
    named = _NAMED_SEPARATOR.match(text)
    text = text[named.end() :] if named else text
    separator = named[1] if named else _separator(text)
    dialect = _dialect(text, separator) if separator else None
    if dialect is None:
        return plain_text.extract(data, name)
    writer = PassageWriter(name)
    _write(dialect, text, writer)
    return writer.document(PurePath(name).stem)


def _separator(text: str) -> str | None:
    sample = text[:_SAMPLE_NUM_CHARS]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample
    fits = {separator: _fit(sample, separator) for separator in _SEPARATORS}
    best = max(_SEPARATORS, key=fits.__getitem__)
    return best if fits[best][0] else None


def _fit(sample: str, separator: str) -> tuple[bool, bool, float]:
    """How well a separator fits: whether at all, whether to the first row too, and to which share of the rows."""
    rows = list(islice(_Dialect(separator, csv.QUOTE_MINIMAL).rows(sample), _SAMPLE_NUM_ROWS))
    width = _usual_width(rows)
    if width < 2:
        return False, False, 0.0
    share = sum(len(row) == width for row in rows) / len(rows)
    return share >= _MIN_EVEN_SHARE, len(rows[0]) == width, share


def _usual_width(rows: list[Row]) -> int:
    widths = Counter(map(len, rows))
    return widths.most_common(1)[0][0] if widths else 0


def _dialect(text: str, separator: str) -> _Dialect | None:
    """None when the csv module cannot read the table either way."""
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        dialect = _Dialect(separator, quoting)
        try:
            last = [""]
            for row in dialect.rows(f"{text}\n{_LAST_ROW}"):
                last = row
        except csv.Error:
            continue
        if last == [_LAST_ROW]:
            return dialect
    return None


def _write(dialect: _Dialect, text: str, writer: PassageWriter) -> None:
    sample = list(islice(dialect.rows(text), _SAMPLE_NUM_ROWS))
    width = _usual_width(sample)
    num_above = next((index for index, row in enumerate(sample) if len(row) == width), 0)
    for row in sample[:num_above]:
        writer.paragraph(_joined_cells(row))
    rows = islice(dialect.rows(text), num_above, None)
    if _has_head(sample[num_above:]):
        head = next(rows)
        writer.paragraph(f"Columns: {_joined_cells(head)}")
        passages = ((_record(head, row), 1) for row in rows)
    else:
        passages = _groups(rows)
    num_chars = num_left_out = 0
    for passage, num_rows in passages:
        num_chars += len(passage)
        if num_chars > MAX_NUM_CHARS:
            num_left_out += num_rows
        else:
            writer.paragraph(passage)
    if num_left_out:
        writer.paragraph(f"(The table goes on: {num_left_out:,} more rows were left out.)")


def _has_head(rows: list[Row]) -> bool:
    """Whether the first row names the columns: it has words where numbers stand below, or there are no numbers."""
    if len(rows) < 2:
        return False
    head, below = rows[0], rows[1:]
    return sum(_vote(cell, [row[index] for row in below if index < len(row)]) for index, cell in enumerate(head)) >= 0


def _vote(cell: str, below: list[str]) -> int:
    """1 for a name above numbers, -1 for a number above numbers, 0 where nothing can be told."""
    below = [value for value in below if value.strip()]
    num_numbers = sum(map(_is_number, below))
    if num_numbers * 2 <= len(below) or _YEAR.fullmatch(cell.strip()):
        return 0
    return -1 if _is_number(cell) else 1


def _is_number(cell: str) -> bool:
    return len(cell) <= 40 and _NUMBER.fullmatch(cell.strip()) is not None


def _record(head: Row, row: Row) -> str:
    values = ((index, value.strip()) for index, value in enumerate(row))
    return "\n".join(f"{_column(head, index)}: {value}" for index, value in values if value)


def _column(head: Row, index: int) -> str:
    name = one_line(head[index]) if index < len(head) else ""
    return name or f"column {index + 1}"


def _joined_cells(row: Row) -> str:
    return " | ".join(cell.strip() for cell in row).rstrip("| ")


def _groups(rows: Iterable[Row]) -> Iterator[tuple[str, int]]:
    """Passages of rows without a head, and how many rows each has."""
    group: list[str] = []
    num_chars = 0
    for row in rows:
        line = _joined_cells(row)
        if group and num_chars + len(line) > _GROUP_NUM_CHARS:
            yield "\n".join(group), len(group)
            group, num_chars = [], 0
        group.append(line)
        num_chars += len(line)
    if group:
        yield "\n".join(group), len(group)
