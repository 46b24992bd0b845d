"""The account of an answer as lines for people: its sources in columns, and where its milliseconds went. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from app.citation import Quote
from app.file_uri import file_uri
from app.terminal import Link, printable
from app.wording import counted, display_path, duration
from storage.values import Hit

if TYPE_CHECKING:
    from engine.requests import AnswerDone, ChunkUse

_COUNTS = ("loaded", "recomputed", "computed")
_MARGIN = 2

# Quotes are for the first look. Below the sources that were used most they would be longer than the answer.
_MAX_NUM_QUOTES = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A line for a terminal: its style is rich's."""

    text: str
    style: str | None = None
    links: tuple[Link, ...] = ()


def source_lines(
    uses: "Sequence[ChunkUse]", hits: Mapping[int, Hit], quotes: Mapping[int, Quote], width: int | None, host: str
) -> Iterator[Line]:
    """A heading, then a line per chunk, and below the first ones the chunk's quote, if `quotes` has it.

    Names and quotes are shortened to keep lines within `width` columns, if it is given. `host` is this machine's name.
    """
    names = [_name(hits[use.chunk_id]) for use in uses]
    tails = "".join(f"{count:>{len(count) + _MARGIN}}" for count in _COUNTS)
    shares = [f"{use.attention:.0%}" if use.attention is not None else "" for use in uses]
    lead = max(map(len, shares), default=0)
    indent = _MARGIN + (lead + _MARGIN if lead else 0)
    longest = max((cell_len(name) for name in names), default=0)
    room = longest if width is None else min(longest, max(width - indent - len(tails), 1))
    quoted = [use.chunk_id for use in uses if use.chunk_id in quotes][:_MAX_NUM_QUOTES]
    yield Line(_fitted("Sources", indent + room) + tails, "bold")
    for use, name, share in zip(uses, names, shares, strict=True):
        front = " " * _MARGIN + (f"{share:>{lead}}" + " " * _MARGIN if lead else "")
        shown = _shortened(name, room)
        link = Link(len(front), len(front) + len(shown), _uri(hits[use.chunk_id], host))
        yield Line(front + _fitted(name, room) + _numbers(use), links=(link,))
        if use.chunk_id in quoted:
            yield _quote_line(quotes[use.chunk_id], indent, width)


def _name(hit: Hit) -> str:
    chunk = hit.chunk.chunk
    place = f"page {chunk.page}" if chunk.page else chunk.heading
    name = display_path(hit.chunk.document_path) + (f", {place}" if place else "")
    return _one_line(name)


def _one_line(name: str) -> str:
    """The name as the terminal will show it: what it replaces takes a column, and file names may hold line ends."""
    return printable(name).replace("\n", "\ufffd").replace("\t", "\ufffd")


def _uri(hit: Hit, host: str) -> str:
    return file_uri(hit.chunk.document_path, hit.chunk.chunk.page, host)


def _quote_line(quote: Quote, indent: int, width: int | None) -> Line:
    text = printable(" ".join(quote.text.split()))
    if width is not None:
        text = _shortened(text, max(width - indent - 2, 1))
    return Line(f"{' ' * indent}“{text}”", "dim")


def _numbers(use: "ChunkUse") -> str:
    numbers = (use.num_loaded, use.num_recomputed, use.num_computed)
    return "".join(f"{number or '–':>{len(count) + _MARGIN}}" for number, count in zip(numbers, _COUNTS, strict=True))


def _fitted(text: str, width: int) -> str:
    """Padded, or cut with an ellipsis, to exactly `width` columns."""
    return set_cell_size(_shortened(text, width), width)


def _shortened(text: str, width: int) -> str:
    """Cut with an ellipsis if it takes more than `width` columns."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


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
