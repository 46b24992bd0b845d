"""The outline of a PDF (its bookmarks): which heading stands before which paragraph of a page."""

import re
from dataclasses import dataclass

_NO_LETTERS = re.compile(r"[\W_]+")

# How much longer than in the outline a heading may be on its page: by its number.
_MAX_NUM_MORE_CHARS = 12

# The longest headings are two lines.
_MAX_HEADING_NUM_CHARS = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A heading of the outline. `level` counts from 1, the outermost."""

    level: int
    title: str


def places(entries: list[Entry], paragraphs: list[str]) -> list[int]:
    """For each heading of one page, in order, the index of the paragraph before which it begins.

    A heading is looked for by its letters. One that is worded differently on the page begins with the one before it,
    else with the page.
    """
    texts = [_letters(paragraph[:_MAX_HEADING_NUM_CHARS]) for paragraph in paragraphs] if entries else []
    found: list[int] = []
    place = 0
    for entry in entries:
        title = _letters(entry.title)
        place = next((index for index in range(place, len(texts)) if _is_heading(texts[index], title)), place)
        found.append(place)
    return found


def _is_heading(text: str, title: str) -> bool:
    return bool(title) and (text.startswith(title) or (title in text and len(text) <= len(title) + _MAX_NUM_MORE_CHARS))


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text.casefold())
