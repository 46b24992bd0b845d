"""Everything that one run of `steep bench ttft` has measured, and as the JSON object that it prints; pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from app.bench.cells import Cell, Row
from app.bench.decoding import Decoding
from app.bench.memory import PeakMemory
from app.bench.searching import SearchTimes


@dataclass(slots=True)
class Result:
    """What is not measured, or not yet, is None or empty."""

    model_name: str
    num_read_threads: int
    strategy: str
    ratio: float
    """Of auto."""
    num_rounds: int
    """Asked for."""
    is_cold: bool
    cells: Sequence[Cell] = ()
    peaks: Sequence[PeakMemory] = ()
    search: SearchTimes | None = None
    decoding: Decoding | None = None
    was_stopped: bool = False
    remarks: list[str] = field(default_factory=list[str])

    @property
    def peak(self) -> PeakMemory | None:
        """That of the engine that took most."""
        return max(self.peaks, key=lambda peak: peak.num_more_bytes, default=None)

    def as_object(self) -> dict[str, Any]:
        """With every round's own numbers; milliseconds, bytes, tokens."""
        return {
            "model": self.model_name,
            "strategy": self.strategy,
            "ratio": self.ratio,
            "rounds": self.num_rounds,
            "cold": self.is_cold,
            "stopped": self.was_stopped,
            "remarks": self.remarks,
            "read_threads": self.num_read_threads,
            "cells": [_cell(cell) for cell in self.cells],
            "memory": _memory(self.peak),
            "retrieval": _search(self.search),
            "decoding": _decoding(self.decoding),
        }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "context_tokens": cell.num_context_tokens,
        "chunks": cell.num_chunks,
        "state_bytes": cell.num_state_bytes,
        "read_bytes_per_s": round(cell.read_bytes_per_s),
        "throttle_gbit_per_s": cell.rate_gbit,
        "auto_over_best": _rounded(cell.auto_over_best),
        "cake_over_best": _rounded(cell.cake_over_best),
        "ways": [_row(row, cell) for row in cell.rows()],
    }


def _row(row: Row, cell: Cell) -> dict[str, Any]:
    way = row.way
    return {
        "name": way.name,
        "mode": way.mode,
        "loading": way.loading,
        "strategy": way.strategy,
        "ratio": way.ratio,
        "first_token_ms": _rounded(row.first_token_ms),
        "load_ms": _rounded(row.load_ms),
        "score_ms": _rounded(row.score_ms),
        "recompute_ms": _rounded(row.recompute_ms),
        "loaded_bytes": row.num_loaded_bytes,
        "computed_tokens": row.num_computed,
        "recomputed_tokens": row.num_recomputed,
        "speedup": _rounded(row.sooner),
        "limit_ms": _rounded(row.limit_ms),
        "over_limit": _rounded(row.of_limit),
        "overhead": _rounded(row.overhead),
        "rounds": [
            {name.removeprefix("num_"): _rounded(value) for name, value in asdict(sample).items()}
            for sample in cell.samples[way]
        ],
    }


def _memory(peak: PeakMemory | None) -> dict[str, Any] | None:
    if peak is None:
        return None
    return {
        "before_bytes": peak.num_before_bytes,
        "peak_bytes": peak.num_peak_bytes,
        "more_bytes": peak.num_more_bytes,
        "exact": peak.is_exact,
    }


def _search(search: SearchTimes | None) -> dict[str, Any] | None:
    if search is None:
        return None
    return {
        "chunks": search.num_chunks,
        "by_meaning": search.by_meaning,
        "median_ms": _rounded(median(search.milliseconds)),
        "max_ms": _rounded(max(search.milliseconds)),
        "questions_ms": [_rounded(ms) for ms in search.milliseconds],
    }


def _decoding(decoding: Decoding | None) -> dict[str, Any] | None:
    if decoding is None or not decoding.ours:
        return None
    return {
        "context_tokens": decoding.num_context_tokens,
        "tokens_per_s": _rounded(median(decoding.ours)),
        "plain_tokens_per_s": _rounded(median(decoding.plain)),
        "ratio": _rounded(decoding.ratio),
        "rounds": [{"ours": _rounded(a), "plain": _rounded(b)} for a, b in zip(*_both(decoding), strict=True)],
    }


def _both(decoding: Decoding) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return decoding.ours, decoding.plain


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else round(value, 4)
