"""The account of an answer as lines for people: its sources in columns, and where its milliseconds went. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from app.wording import counted, display_path, duration
from storage.values import Hit

if TYPE_CHECKING:
    from engine.requests import AnswerDone, ChunkUse

_COUNTS = ("loaded", "recomputed", "computed")
_MARGIN = 2


def source_lines(uses: "Sequence[ChunkUse]", hits: Mapping[int, Hit], width: int | None) -> Iterator[str]:
    """A heading, then a line per chunk; names are shortened to keep lines within `width` columns, if it is given."""
    names = [_name(hits[use.chunk_id]) for use in uses]
    tails = "".join(f"{count:>{len(count) + _MARGIN}}" for count in _COUNTS)
    shares = [f"{use.attention:.0%}" if use.attention is not None else "" for use in uses]
    lead = max(map(len, shares), default=0)
    indent = _MARGIN + (lead + _MARGIN if lead else 0)
    longest = max((cell_len(name) for name in names), default=0)
    room = longest if width is None else min(longest, max(width - indent - len(tails), 1))
    yield _fitted("Sources", indent + room) + tails
    for use, name, share in zip(uses, names, shares, strict=True):
        front = " " * _MARGIN + (f"{share:>{lead}}" + " " * _MARGIN if lead else "")
        yield front + _fitted(name, room) + _numbers(use)


def _name(hit: Hit) -> str:
    chunk = hit.chunk.chunk
    place = f"page {chunk.page}" if chunk.page else chunk.heading
    return display_path(hit.chunk.document_path) + (f", {place}" if place else "")


def _numbers(use: "ChunkUse") -> str:
    numbers = (use.num_loaded, use.num_recomputed, use.num_computed)
    return "".join(f"{number or '–':>{len(count) + _MARGIN}}" for number, count in zip(numbers, _COUNTS, strict=True))


def _fitted(text: str, width: int) -> str:
    """Padded, or cut with an ellipsis, to exactly `width` columns."""
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def timing_lines(done: "AnswerDone", retrieve_ms: float) -> Iterator[str]:
    """How the context came about, what the first token waited for, how fast the rest came."""
    times = done.times
    stages = (
        ("retrieve", retrieve_ms),
        ("load", times.load_ms),
        ("score", times.score_ms),
        ("recompute", times.recompute_ms),
    )
    spent = ", ".join(f"{name} {duration(value)}" for name, value in stages)
    num_context_tokens = sum(use.num_tokens for use in done.uses)
    yield f"Context      {counted(num_context_tokens, 'token')} in {counted(len(done.uses), 'chunk')} ({done.mode})"
    yield f"First token  {duration(retrieve_ms + times.first_token_ms)}: {spent}"
    yield f"Answer       {counted(done.num_answer_tokens, 'token')}, {times.tokens_per_s:.1f} tokens/s"
