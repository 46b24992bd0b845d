"""Text as the full-text index reads it, with its words separated, and what to look for in it. Pure.

SQLite's tokenizer takes every run of letters, digits and marks for one word. Three kinds of text need help:

* Scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, whose words end in
  particles: each letter becomes a word of its own, and is looked for together with its neighbour.
* Identifiers: `parseConfigFile` can be found as a whole and by its parts.
* Letters in disguise: ligatures, full width, half width, decomposed (as PDF files and some file systems have them)
  become the usual ones; soft hyphens and the points of Hebrew and Arabic go.

Measured over the documentation of two JavaScript projects, 700 to 2,600 passages per language, a section's heading put
into a question: its text is among the first ten hits in 56 (Chinese), 68 (Japanese), 65 (Korean) and 72 (Thai) of 100
cases, instead of 26, 28, 49 and 35. A table of trigrams is no better at that (56, 72, 55, 73), four times as large, and
does not know words of two letters, which most Chinese ones are. Comments that describe a piece of JavaScript find it in
56 of 100 cases instead of 31.

The index keeps what `separated` returns: who changes that adds a migration which writes it anew for all rows.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePath

_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"  # Thai
    "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"  # Lao
    "\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d"
    "\u17b4-\u17d3\u17dd"  # Khmer; the line above: Burmese
    "\u3099\u309a"  # Japanese
)
"""Vowels and tones around a letter of the scripts below; they belong to it."""

_LETTERS = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"  # Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e"  # Burmese
    "\u1780-\u17b3\u17d7\u17dc"  # Khmer
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3105-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"  # Chinese
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb"  # Korean
)
"""Letters of scripts whose words are not told apart by spaces."""

_DISGUISED = "\uf900-\ufdff\ufe70-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc\U0001d400-\U0001d7ff"
"""Presentation forms: letters that Unicode has a second time for the sake of their look."""

_SILENT = "\u00ad\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
"""The soft hyphen, and points and stretching of Hebrew and Arabic: hardly anybody types them."""

_UNUSUAL = re.compile(f"[{_LETTERS}{_MARKS}{_DISGUISED}{_SILENT}]+")
_IS_SILENT = re.compile(f"[{_SILENT}]")
_LETTER = re.compile(f"[{_LETTERS}][{_MARKS}]*")
_LETTER_RUN = re.compile(f"{_LETTER.pattern}(?: {_LETTER.pattern})*")

_IDENTIFIER = re.compile(
    r"(?<![^\W_])(?=[A-Za-z0-9]{1,80}(?![^\W_]))"  # a whole word; longer ones are not made by people, but by encoders
    r"[A-Za-z0-9]*(?:[a-z][0-9]*[A-Z]|[A-Z]{2}[a-z]{2})[A-Za-z0-9]*"
)
"""With a hump: `parseFile`, `HTMLElement`; `PDFs` has none, nor has `3D`."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def separated(text: str) -> str | None:
    """The text with spaces around what is a word of its own; None where nothing is to be changed."""
    words = _IDENTIFIER.sub(_with_parts, _UNUSUAL.sub(_as_usual, text))
    return None if words == text else words


def phrases(term: str) -> list[str]:
    """What finds `term` in a text that went through `separated`: any of these, each with its words in this order."""
    usual = _UNUSUAL.sub(_as_usual, term)
    if usual == term:
        return [term, *_phrases_of_parts(term)]
    found: list[str] = []
    position = 0
    for run in _LETTER_RUN.finditer(usual):
        found += _words_and_parts(usual[position : run.start()])
        letters = run[0].split(" ")
        found += [" ".join(pair) for pair in pairwise(letters)] if len(letters) > 1 else letters
        position = run.end()
    return found + _words_and_parts(usual[position:])


def name_words(title: str, path: PurePath) -> str:
    """What a document may be called, as the index keeps it: its title, and its file's name if that is another."""
    stem = path.stem
    name = title if stem.casefold() in title.casefold() else f"{title} {stem}"
    storable = name.encode("utf-8", "replace").decode("utf-8")  # a path may have halves of characters
    return separated(storable) or storable


def words_of(text: str) -> list[str]:
    """The text's words as they stand there: runs of letters, digits, marks and underscores."""
    return "".join(c if _is_of_word(c) else " " for c in _IS_SILENT.sub("", text)).split()


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _as_usual(match: re.Match[str]) -> str:
    usual = _IS_SILENT.sub("", unicodedata.normalize("NFKC", match[0]))
    return _LETTER.sub(r" \g<0> ", usual).replace("  ", " ")


def _with_parts(match: re.Match[str]) -> str:
    return " ".join([match[0], *_PART.findall(match[0])])


def _words_and_parts(text: str) -> list[str]:
    return [*text.split(), *_phrases_of_parts(text)]


def _phrases_of_parts(text: str) -> Iterator[str]:
    for identifier in _IDENTIFIER.findall(text):
        yield " ".join(_PART.findall(identifier))
