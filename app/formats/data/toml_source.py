"""TOML source → its entries: the tables, each with the comment above it."""

import re
from collections.abc import Iterator

from app.formats.data.outline import Entry

_KEY = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_TOKEN = re.compile(
    rf"^[ \t]*+\[(?:\[)?[ \t]*+(?P<table>{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY})*+)[ \t]*+\]\]?[ \t]*+(?:\#[^\n]*+)?$"
    r'|"""(?:[^"\\]|\\[\s\S]|"(?!""))*+(?:""")?'
    r"|'''(?:[^']|'(?!''))*+(?:''')?"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.MULTILINE,
)


def entries(text: str) -> list[Entry]:
    """The keys before the first table, then the tables; their labels are the names as written, dots included."""
    tables = list(_tables(text))
    starts = [start for start, _ in tables]
    spans = zip([0, *starts], [*starts, len(text)], [None, *(name for _, name in tables)], strict=True)
    return [Entry(start, end, label) for start, end, label in spans if start < end]


def _tables(text: str) -> Iterator[tuple[int, str]]:
    """Where each table starts, and its name."""
    # The lines of comment that end where the next line begins.
    comment_start = comment_end = 0
    for match in _TOKEN.finditer(text):
        start = match.start()
        if match["table"] is not None:
            yield (comment_start if comment_end == start else start), match["table"]
        elif text[start] == "#" and text[start - 1 : start] in {"", "\n"}:
            comment_start = comment_start if comment_end == start else start
            comment_end = match.end() + 1
