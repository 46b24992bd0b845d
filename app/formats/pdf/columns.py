"""The order in which a PDF page is read: its fragments in blocks, each of them one column or of full width.

A gutter is a strip without text between two columns. What lies across it (a title, the caption of a wide figure)
divides the page into bands; each band is read column by column. A table has gutters too but is read by rows: its cells
are narrower, or fewer of them are filled, than the lines of columns.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from statistics import median_low

from app.formats.pdf.fragments import Fragment
from app.formats.pdf.rows import are_on_one_line, grouped

# All lengths are in heights of the page's usual letters. Journals leave 1 to 2.5 between their columns.
_MIN_GUTTER = 0.7

# The narrowest columns, in newspapers, hold some 25 letters. What is narrower is a list of names or options, read with
# what stands beside each of them.
_MIN_COLUMN_WIDTH = 11

# A line is full when its text takes so much of its column. Most lines of prose are, rows of tables are mostly gaps.
_FULL_SHARE = 0.6
_MIN_FULL_ROWS_SHARE = 0.4
_MIN_NUM_ROWS = 2

# A column with so many lines of prose has another column beside it, even if that holds a figure with a few words.
_SURE_NUM_ROWS = 8
_SURE_FULL_ROWS_SHARE = 0.7

# Gutters that are tried, those beside most lines first. Behind the first few come the gaps of tables.
_NUM_CANDIDATES = 4

# Columns inside of columns: more than any page has.
_MAX_DEPTH = 6

# Gutters are searched in slices of this height, at places this far apart.
_SLICE = 0.5
_STEP = 0.25
# Huge letters are no lines of prose; pages wider than so many steps are posters, and get wider steps.
_MAX_NUM_SLICES = 40
_MAX_NUM_STEPS = 2000

# How far a gutter's neighbours are from it to be other gutters.
_MIN_DISTANCE = 8


def blocks(page: list[Fragment]) -> list[list[Fragment]]:
    """The fragments of a page in blocks, to be read one after the other and each of them row by row."""
    return list(_blocks(page, _MAX_DEPTH)) if page else []


def _blocks(region: list[Fragment], depth: int) -> Iterator[list[Fragment]]:
    unit = median_low(fragment.size for fragment in region)
    for gutter in _gutters(region, unit) if depth else ():
        parts = _parts(region, gutter, unit)
        if len(parts) > 1:
            for part in parts:
                yield from _blocks(part, depth - 1)
            return
    yield region


def _gutters(region: list[Fragment], unit: float) -> Iterator[float]:
    """Where gutters may be, those beside most lines first."""
    start = min(fragment.left for fragment in region)
    width = max(fragment.right for fragment in region) - start
    step = max(_STEP * unit, width / _MAX_NUM_STEPS)
    # How many slices have a gap at each step, as differences to the step before it.
    changes = [0] * (int(width / step) + 2)
    for left, right in _gaps(region, unit):
        first, last = int((left - start) / step) + 1, int((right - start) / step)
        if first < last:
            changes[first] += 1
            changes[last] -= 1
    counts = list(accumulate(changes))
    for _ in range(_NUM_CANDIDATES):
        most = max(counts)
        if most < _MIN_NUM_ROWS:
            return
        first = counts.index(most)
        last = first
        while counts[last + 1] == most:
            last += 1
        yield start + (first + last + 1) / 2 * step
        reach = int(_MIN_DISTANCE * unit / step)
        for near in range(max(0, first - reach), min(len(counts), last + reach)):
            counts[near] = 0


def _gaps(region: list[Fragment], unit: float) -> Iterator[tuple[float, float]]:
    """The gaps between neighbours, as (left, right), in each slice of the region."""
    slices: dict[int, list[Fragment]] = defaultdict(list)
    for fragment in region:
        # Not all of its height: lines may be set so tightly that they touch.
        first = floor((fragment.y - 0.3 * fragment.size) / (_SLICE * unit))
        last = floor((fragment.y + 0.3 * fragment.size) / (_SLICE * unit))
        for index in range(first, min(last + 1, first + _MAX_NUM_SLICES)):
            slices[index].append(fragment)
    for found in slices.values():
        found.sort(key=lambda fragment: fragment.left)
        reach = found[0].right
        for fragment in found:
            if fragment.left - reach >= _MIN_GUTTER * unit:
                yield reach, fragment.left
            reach = max(reach, fragment.right)


def _parts(region: list[Fragment], gutter: float, unit: float) -> list[list[Fragment]]:
    """The columns on both sides of a gutter and what lies between them, in reading order; one part without columns."""
    parts: list[list[Fragment]] = []
    whole: list[Fragment] = []
    for across, left, right in _bands(region, gutter):
        whole += across
        if _are_columns(left, right, unit):
            parts += [whole, left, right]
            whole = []
        else:
            whole += left + right
    return [part for part in [*parts, whole] if part]


def _bands(region: list[Fragment], gutter: float) -> Iterator[tuple[list[Fragment], list[Fragment], list[Fragment]]]:
    """From top to bottom: what lies across the gutter, and what is left and right of it below."""
    across = sorted((each for each in region if each.left < gutter < each.right), key=lambda each: -each.y)
    heights = [-each.y for each in across]
    bands: list[tuple[list[Fragment], list[Fragment], list[Fragment]]] = [([], [], [])]
    bands += [([each], [], []) for each in across]
    for each in region:
        if each.left < gutter < each.right:
            continue
        index = bisect_left(heights, -each.y)
        beside = next((near for near in (index - 1, index) if _are_on_one_line(across, near, each)), None)
        if beside is not None:
            bands[beside + 1][0].append(each)
        else:
            bands[index][1 if each.right <= gutter else 2].append(each)
    yield from bands


def _are_on_one_line(across: list[Fragment], index: int, fragment: Fragment) -> bool:
    return 0 <= index < len(across) and are_on_one_line(across[index], fragment)


def _are_columns(left: list[Fragment], right: list[Fragment], unit: float) -> bool:
    """Whether these are two columns of prose, or one of them with a figure beside it."""
    if not left or not right:
        return False
    sides = [_Side.of(left), _Side.of(right)]
    return all(side.width >= _MIN_COLUMN_WIDTH * unit for side in sides) and (
        all(side.num_rows >= _MIN_NUM_ROWS and side.full_share >= _MIN_FULL_ROWS_SHARE for side in sides)
        or any(side.num_rows >= _SURE_NUM_ROWS and side.full_share >= _SURE_FULL_ROWS_SHARE for side in sides)
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """What tells a column from the cells of a table."""

    width: float
    num_rows: int
    full_share: float

    @staticmethod
    def of(side: list[Fragment]) -> "_Side":
        width = max(each.right for each in side) - min(each.left for each in side)
        filled = [sum(each.right - each.left for each in row) for row in grouped(side)]
        num_full = sum(length >= _FULL_SHARE * width for length in filled)
        return _Side(width, len(filled), num_full / len(filled))
