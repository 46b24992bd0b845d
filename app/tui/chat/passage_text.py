"""The text of a passage with what the question attended to, warm to hot, and the words that support the answer. Pure.

Heat is a background; its strongest third is bold as well, and the quote is underlined, so that both can be seen
without colours.
"""

from textual.content import Content, Span

from app.conversations.account import Source
from app.terminal import printable

_BOLD_FROM = 7
_HEAT_SHARES = {level: 8 + 6 * level for level in range(1, 10)}
"""Percent of the warning colour in the background, per level: text stays readable on all of them."""


def passage_content(text: str, start: int, source: Source) -> Content:
    """`text` is the document's from character `start` on."""
    content = Content(printable(text))
    spans = [
        Span(*_within(heat.start - start, heat.end - start, len(text)), _heat_style(heat.level)) for heat in source.heat
    ]
    if source.quote:
        spans.append(Span(*_within(source.quote.start - start, source.quote.end - start, len(text)), "underline"))
    return content.add_spans([span for span in spans if span.start < span.end])


def _heat_style(level: int) -> str:
    return f"on $warning {_HEAT_SHARES[level]}%{' bold' if level >= _BOLD_FROM else ''}"


def _within(start: int, end: int, length: int) -> tuple[int, int]:
    return max(0, min(start, length)), max(0, min(end, length))
