"""A source of an answer in words: its name, its place, where its tokens came from. Pure."""

from textual.content import Content

from app.conversations.account import Source
from app.terminal import printable
from app.tui.widgets.memory_bar import COMPUTED, KEPT, LOADED, RECOMPUTED

_MOST_QUOTED = 160


def share_of(source: Source) -> str:
    """`62 %` of the question's attention; empty where it was not measured."""
    return "" if source.attention is None else f"{source.attention:.0%}".replace("%", " %")


def name_of(source: Source) -> str:
    """The file's name, on one line."""
    return _one_line(source.path.name)


def place_of(source: Source) -> str:
    """`page 3`, or the last part of the heading; empty where there is neither."""
    if source.page:
        return f"page {source.page}"
    return _one_line(source.heading.rsplit(" > ", 1)[-1]) if source.heading else ""


def title_of(source: Source) -> str:
    """Name and place."""
    return ", ".join(filter(None, (name_of(source), place_of(source))))


def quote_of(source: Source) -> str:
    """What supports the answer, in quotation marks; empty where nothing does."""
    if source.quote is None:
        return ""
    text = _one_line(source.quote.text)
    return f"“{text if len(text) <= _MOST_QUOTED else text[:_MOST_QUOTED].rsplit(' ', 1)[0] + '…'}”"


def origins_of(source: Source) -> Content:
    """Its tokens by origin, each with its glyph."""
    counts = (
        (KEPT, source.num_kept),
        (LOADED, source.num_loaded),
        (RECOMPUTED, source.num_recomputed),
        (COMPUTED, source.num_computed),
    )
    words = [Content.assemble((origin.glyph, origin.colour), f" {count:,}") for origin, count in counts if count]
    return Content("  ").join(words)


def shortened(text: str, width: int) -> str:
    """Cut in the middle, where names differ least, to at most `width` characters."""
    if len(text) <= width:
        return text
    head = max(1, (width - 1) // 2)
    return f"{text[:head]}…{text[len(text) - max(0, width - 1 - head) :]}"


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
