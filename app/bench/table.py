"""What `steep bench ttft` prints: tables of at most 100 columns, and what their words mean; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from app.bench.cells import MOST_OVER_BEST, Cell, Row, gbit_of
from app.bench.result import Result
from app.wording import counted, size

NUM_COLUMNS = 100

_LIMIT_MEANING = (
    "limit: what no order of the steps can beat, max(bytes / speed of reading, ratio × full) + question; "
    "× limit is the first token over it."
)
_COLUMNS_MEANING = (
    "computed, again: context tokens computed in place of being loaded, and loaded ones recomputed. "
    "overhead: load and score in the first token of a blend. sooner: full over this way."
)
_BEST_MEANING = (
    f"auto / best: over the better one of full and blend; cake / best: of full and reuse. "
    f"! is more than {MOST_OVER_BEST:g}."
)
_TIME_MEANING = (
    "Times are compared, not texts: of reuse and cake the bytes read and the tokens computed are those of the methods "
    "that they stand for, the answers are not."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; `is_aside`: what explains the others."""

    text: str
    is_aside: bool = False


def lines_of(result: Result) -> list[Line]:
    """Everything there is to say."""
    lines = [Line(_headline(result))]
    measured = [cell for cell in result.cells if cell.rows()]
    is_sweep = any(cell.rate_gbit is not None for cell in result.cells)
    lines += _sweep_lines(measured) if is_sweep else _cell_lines(measured)
    lines += [Line(""), *map(Line, _other_lines(result))]
    if measured:
        lines += [Line(text, is_aside=True) for text in _legend(measured, is_sweep=is_sweep)]
    return lines


def _headline(result: Result) -> str:
    if not result.cells:
        return result.model_name
    num_rounds = max((row.num_samples for cell in result.cells for row in cell.rows()), default=0)
    stopped = f", stopped after {num_rounds} of {result.num_rounds}" if result.was_stopped else ""
    where = "from disk" if result.is_cold else "warm in memory"
    return f"{result.model_name}, medians of {counted(result.num_rounds, 'round')}{stopped}; states {where}"


def _about(cell: Cell) -> str:
    return (
        f"{counted(cell.num_context_tokens, 'context token')} in {counted(cell.num_chunks, 'chunk')}: "
        f"{size(cell.num_state_bytes)} of states, {gbit_of(cell.read_bytes_per_s):,.1f} Gbit/s when only read"
    )


# --- one table per context


def _cell_lines(cells: Sequence[Cell]) -> list[Line]:
    lines: list[Line] = []
    for cell in cells:
        lines += [Line(""), Line(_about(cell)), Line(_HEADER), *(Line(_row(row)) for row in cell.rows())]
        if cell.auto_over_best is not None:
            lines.append(Line(f"{'auto / best':11}{_over(cell.auto_over_best):>12}"))
        if cell.cake_over_best is not None:
            lines.append(Line(f"{'cake / best':11}{_over(cell.cake_over_best):>12}"))
    return lines


_HEADER = (
    f"{'':11}{'first token':>12}{'load':>9}{'score':>9}{'recompute':>10}{'computed':>9}{'again':>7}{'read':>8}"
    f"{'sooner':>8}{'× limit':>8}{'overhead':>9}"
)


def _row(row: Row) -> str:
    return (
        f"{row.way.name:11}{_ms(row.first_token_ms):>12}{_ms(row.load_ms):>9}{_ms(row.score_ms):>9}"
        f"{_ms(row.recompute_ms):>10}{row.num_computed:>9,}{row.num_recomputed:>7,}"
        f"{size(row.num_loaded_bytes) if row.num_loaded_bytes else '–':>8}{_times(row.sooner):>8}"
        f"{_times(row.of_limit):>8}{'–' if row.overhead is None else f'{row.overhead:.0%}':>9}"
    )


# --- one table per context, with a row per speed of reading


def _sweep_lines(cells: Sequence[Cell]) -> list[Line]:
    lines: list[Line] = []
    by_context = sorted(cells, key=lambda cell: cell.num_context_tokens)
    for _, group in groupby(by_context, key=lambda cell: cell.num_context_tokens):
        same = list(group)
        names = [row.way.name for row in same[0].rows()]
        header = f"{'Gbit/s':>7}" + "".join(f"{name:>{_WIDTH}}" for name in names)
        header += f"{'× limit':>8}{'auto / best':>12}{'cake / best':>12}"
        lines += [Line(""), Line(_about(same[0])), Line(f"{header}")]
        lines += [Line(_sweep_row(cell, names)) for cell in same]
    return lines


_WIDTH = 12


def _sweep_row(cell: Cell, names: Sequence[str]) -> str:
    rows = {row.way.name: row for row in cell.rows()}
    times = "".join(f"{_ms(rows[name].first_token_ms) if name in rows else '–':>{_WIDTH}}" for name in names)
    of_limit = next((row.of_limit for row in rows.values() if row.of_limit is not None), None)
    return (
        f"{cell.rate_gbit or 0:>7g}{times}{_times(of_limit):>8}{_over(cell.auto_over_best):>12}"
        f"{_over(cell.cake_over_best):>12}"
    )


# --- what is not in tables


def _other_lines(result: Result) -> Iterator[str]:
    if peak := result.peak:
        told = "at most" if peak.is_exact else "at least, as seen between answers,"
        yield f"memory: {told} {size(peak.num_more_bytes)} more than the {size(peak.num_before_bytes)} before"
    if search := result.search:
        how = "words and meaning" if search.by_meaning else "words"
        yield (
            f"retrieval and plan: {median(search.milliseconds):,.1f} ms, at most {max(search.milliseconds):,.1f} ms; "
            f"{counted(len(search.milliseconds), 'question')} over {counted(search.num_chunks, 'chunk')}, by {how}"
        )
    if (decoding := result.decoding) and decoding.ours:
        yield (
            f"decoding behind {counted(decoding.num_context_tokens, 'context token')}: {median(decoding.ours):,.1f} "
            f"tokens/s, plain llama.cpp {median(decoding.plain):,.1f}: {decoding.ratio:.3f} of it"
        )


def _legend(cells: Sequence[Cell], *, is_sweep: bool) -> Iterator[str]:
    yield ""
    seen = {row.way.name: row.way.meaning for cell in cells for row in cell.rows()}
    for name, meaning in seen.items():
        yield f"{name:12}{meaning}"
    meanings = (_LIMIT_MEANING, *(() if is_sweep else (_COLUMNS_MEANING,)), _BEST_MEANING, _TIME_MEANING)
    for text in meanings:
        yield from _wrapped(text)


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > NUM_COLUMNS:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _ms(milliseconds: float) -> str:
    """`12.3 ms`, `1,234 ms`, `12.34 s`, `123.4 s`."""
    if milliseconds < 99.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 9_999.5:
        return f"{milliseconds:,.0f} ms"
    return f"{milliseconds / 1e3:,.{2 if milliseconds < 99_995 else 1}f} s"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def _over(value: float | None) -> str:
    """A ratio that should not be above `MOST_OVER_BEST`; marked if it is."""
    if value is None:
        return "–"
    return f"{value:.2f} !" if value > MOST_OVER_BEST else f"{value:.2f}"
