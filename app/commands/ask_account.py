"""The account of an answer as lines for people: its sources in columns, and where its milliseconds went. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from app.citation import Quote
from app.conversations.account import Account, Source
from app.file_uri import file_uri
from app.gate.words import account_words
from app.terminal import Link, printable
from app.wording import counted, display_path, duration

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


def source_lines(sources: Sequence[Source], width: int | None, host: str) -> Iterator[Line]:
    """A heading, then a line per source, and below the first ones that have a quote that quote.

    Names and quotes are shortened to keep lines within `width` columns, if it is given. `host` is this machine's name.
    """
    names = [_name(source) for source in sources]
    tails = "".join(f"{count:>{len(count) + _MARGIN}}" for count in _COUNTS)
    shares = [f"{source.attention:.0%}" if source.attention is not None else "" for source in sources]
    lead = max(map(len, shares), default=0)
    indent = _MARGIN + (lead + _MARGIN if lead else 0)
    longest = max((cell_len(name) for name in names), default=0)
    room = longest if width is None else min(longest, max(width - indent - len(tails), 1))
    quoted = [source for source in sources if source.quote][:_MAX_NUM_QUOTES]
    yield Line(_fitted("Sources", indent + room) + tails, "bold")
    for source, name, share in zip(sources, names, shares, strict=True):
        front = " " * _MARGIN + (f"{share:>{lead}}" + " " * _MARGIN if lead else "")
        shown = _shortened(name, room)
        link = Link(len(front), len(front) + len(shown), file_uri(source.path, source.page, host))
        yield Line(front + _fitted(name, room) + _numbers(source), links=(link,))
        if source.quote and source in quoted:
            yield _quote_line(source.quote, indent, width)


def _name(source: Source) -> str:
    place = f"page {source.page}" if source.page else source.heading
    return _one_line(display_path(source.path) + (f", {place}" if place else ""))


def _one_line(name: str) -> str:
    """The name as the terminal will show it: what it replaces takes a column, and file names may hold line ends."""
    return printable(name).replace("\n", "\ufffd").replace("\t", "\ufffd")


def _quote_line(quote: Quote, indent: int, width: int | None) -> Line:
    text = printable(" ".join(quote.text.split()))
    if width is not None:
        text = _shortened(text, max(width - indent - 2, 1))
    return Line(f"{' ' * indent}“{text}”", "dim")


def _numbers(source: Source) -> str:
    numbers = (source.num_loaded, source.num_recomputed, source.num_computed)
    return "".join(f"{number or '–':>{len(count) + _MARGIN}}" for number, count in zip(numbers, _COUNTS, strict=True))


def _fitted(text: str, width: int) -> str:
    """Padded, or cut with an ellipsis, to exactly `width` columns."""
    return set_cell_size(_shortened(text, width), width)


def _shortened(text: str, width: int) -> str:
    """Cut with an ellipsis if it takes more than `width` columns."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def timing_lines(account: Account) -> Iterator[str]:
    """How the context came about, what the first token waited for, how fast the rest came."""
    timing = account.timing
    stages = (
        ("retrieve", timing.retrieve_ms),
        ("load", timing.load_ms),
        ("score", timing.score_ms),
        ("recompute", timing.recompute_ms),
    )
    spent = ", ".join(f"{name} {duration(value)}" for name, value in stages)
    num_chunks = counted(len(account.sources), "chunk")
    yield f"Context      {counted(account.num_context_tokens, 'token')} in {num_chunks} ({account.mode})"
    if account.gate:
        yield f"Gate         {account_words(account.gate, account.mode)}"
    yield f"First token  {duration(timing.ttft_ms)}: {spent}"
    yield f"Answer       {counted(account.num_answer_tokens, 'token')}, {timing.tokens_per_s:.1f} tokens/s"
