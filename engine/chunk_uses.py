"""What became of the chunks of a prompt: their tokens by origin, and what the question made of them. Pure numpy."""

from dataclasses import replace

import numpy as np

from engine.bindings import FloatArray
from engine.blend import BlendReport
from engine.requests import ChunkUse
from engine.transcript import Kind, Run, Segment, Transcript

_FADING = 0.5
"""What a turn's attention on a chunk still counts one turn later, when chunks have to leave: a chunk that mattered two
turns ago outlives one that nobody looked at, but not one that matters now. Sane: .3 to .8."""


def chunk_uses(asked: Transcript, num_base_tokens: int, report: BlendReport) -> tuple[ChunkUse, ...]:
    """The uses of all chunks in a prompt, in its order; those behind the first `num_base_tokens` are new."""
    shares = _shares(asked, report.attention)
    return tuple(
        _use(segment, run, num_base_tokens, report, None if shares is None else shares[run.first : run.end])
        for segment, run in asked.placed()
        if segment.kind is Kind.CHUNK
    )


def reweighted(asked: Transcript, attention: FloatArray | None) -> Transcript:
    """The prompt with its chunks' weights as the question leaves them; the old ones where nothing was measured."""
    shares = _shares(asked, attention)
    if shares is None:
        return asked
    segments = tuple(
        replace(segment, weight=float(shares[run.first : run.end].sum()) + _FADING * segment.weight)
        if segment.kind is Kind.CHUNK
        else segment
        for segment, run in asked.placed()
    )
    return replace(asked, segments=segments)


def _shares(asked: Transcript, attention: FloatArray | None) -> FloatArray | None:
    """Per cell, its share of the attention on all chunks; 0 in between."""
    if attention is None:
        return None
    in_chunk = np.zeros(len(attention), np.bool_)
    for segment, run in asked.placed():
        if segment.kind is Kind.CHUNK:
            in_chunk[run.first : run.end] = True
    total = float(attention[in_chunk].sum())
    return np.where(in_chunk, attention / total, 0).astype(np.float32) if total > 0 else None


def _use(segment: Segment, run: Run, num_base_tokens: int, report: BlendReport, shares: FloatArray | None) -> ChunkUse:
    assert segment.chunk_id is not None
    num_tokens, kept = len(segment.token_ids), run.first < num_base_tokens
    loaded = run.first in report.loaded
    recomputed = int(((report.recomputed >= run.first) & (report.recomputed < run.end)).sum()) if loaded else 0
    return ChunkUse(
        chunk_id=segment.chunk_id,
        num_tokens=num_tokens,
        num_kept=num_tokens if kept else 0,
        num_loaded=num_tokens - recomputed if loaded else 0,
        num_recomputed=recomputed,
        num_computed=0 if kept or loaded else num_tokens,
        attention=None if shares is None else float(shares.sum()),
        token_attention=() if shares is None else tuple(shares.tolist()),
    )
