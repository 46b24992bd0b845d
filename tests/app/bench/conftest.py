"""Cells with the times that a test wants."""

from collections.abc import Callable

import pytest

from app.bench.cells import Cell, Sample
from app.bench.ways import Way

MakeCell = Callable[..., Cell]


@pytest.fixture
def make_cell() -> MakeCell:
    """A cell of 1,000 tokens and 10 MB, read at 10 MB/s; first tokens in milliseconds, by way."""

    def make(times: dict[Way, list[float]], *, num_tokens: int = 1000, rate_gbit: float | None = None) -> Cell:
        samples = {way: [sample(ms) for ms in milliseconds] for way, milliseconds in times.items()}
        return Cell(num_tokens, 2, 10_000_000, 10e6, rate_gbit, samples)

    return make


def sample(first_token_ms: float) -> Sample:
    return Sample(
        first_token_ms,
        load_ms=first_token_ms / 10,
        score_ms=first_token_ms / 5,
        recompute_ms=first_token_ms / 2,
        num_loaded_bytes=9_000_000,
        num_computed=0,
        num_recomputed=150,
    )
