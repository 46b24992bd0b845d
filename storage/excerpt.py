"""A few words of a text around what was looked for in it, as they stand there. Pure.

Not SQLite's `snippet`: that would show the text as the index reads it, with the letters of Chinese apart, and
identifiers followed by their parts.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from storage.search_words import phrases

_MOST_CHARACTERS = 90
"""A line of a list on a wide terminal."""

_CHARACTERS_BEFORE = 30
"""So many lead to the word that was found, at most."""

_SHORTEST_BEGINNING = 3


def excerpt(texts: Sequence[str], terms: Sequence[str]) -> str:
    """On one line: from the text that has most of the terms, the first of them if several do, its first such word."""
    lines = [" ".join(text.split()) for text in texts]
    found = [_places(_folded(line), terms) for line in lines]
    line, places = max(zip(lines, found, strict=True), key=lambda pair: len(pair[1]))
    return _around(line, min(places, default=0))


def _places(folded: str, terms: Sequence[str]) -> list[int]:
    return [place for term in terms if (place := _place(folded, term)) is not None]


def _place(folded: str, term: str) -> int | None:
    """Where the term stands first, best at the beginning of a word; or else a word that begins as it does."""
    for wanted in _forms(term):
        if match := re.search(rf"\b{re.escape(wanted)}", folded) or re.search(re.escape(wanted), folded):
            return match.start()
    beginning = _folded(term)[: max(_SHORTEST_BEGINNING, 2 * len(term) // 3)]  # the index knows stems: brewing, brews
    match = re.search(rf"\b{re.escape(beginning)}", folded)
    return match.start() if match else None


def _forms(term: str) -> Iterator[str]:
    """The term, and its parts that the index takes for it: neighbouring letters, where words are not told apart."""
    for form in (term, *phrases(term)):
        if words := form.replace(" ", ""):
            yield _folded(words)


def _folded(text: str) -> str:
    """Without case and accents, each character in its place."""
    return text.lower() if text.isascii() else "".join(map(_plain, text))


def _plain(character: str) -> str:
    first, *others = unicodedata.normalize("NFKD", character)
    lower = (first if all(map(unicodedata.combining, others)) else character).lower()
    return lower if len(lower) == 1 else character


def _around(line: str, place: int) -> str:
    start = max(0, place - _CHARACTERS_BEFORE)
    end = start + _MOST_CHARACTERS
    if start and (space := line.find(" ", start - 1, place)) >= 0:
        start = space + 1
    if end < len(line) and (space := line.rfind(" ", place, end + 1)) >= 0:
        end = space
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"
