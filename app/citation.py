"""Which words of a chunk support an answer: the quote that is shown with a source; pure.

The evidence is the answer's words that stand in a sentence: names and long numbers count twice, words of the question
half (who repeats the question proves nothing), function words nothing. The quote is the run of at most three sentences
with the most evidence; words that are rare in the chunk weigh more, and another sentence must bring enough of its own.

Nothing is asked of the model: a quote is where to look, no proof that the answer is right.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from math import log
from unicodedata import normalize

from app.formats.spans import Span, bounded, first_word
from storage.values import ChunkText

# A run longer than this is a passage, and the eye searches again.
_MAX_NUM_SENTENCES = 3

# Four lines of a terminal: what has no sentence ends (tables, transcripts) is quoted in pieces of it.
_MAX_SENTENCE_NUM_CHARS = 320

_NAME_WEIGHT, _WORD_WEIGHT = 2.0, 1.0
_ASKED_SHARE = 1 / 2

# A word of the question that the answer does not repeat is no evidence, but tells sentences with the same name apart.
_TOPIC_SHARE = 1 / 4

# One new name, or two new words: less is in nearly every chunk that a search finds. An answer that is shorter than that
# needs a word of the question beside it.
_LEAST_EVIDENCE = 1.5

# What a further sentence has to bring: about one rare word.
_SENTENCE_COST = 1.0

# A line at least this long was wrapped; a shorter one ends a heading, an item or a line of code.
_WRAPPED_LINE_NUM_CHARS = 40

# Scripts without spaces between words (Thai to Khmer, Japanese, Chinese, Korean): pairs of neighbours are words.
_UNSPACED = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
_WORD = re.compile(rf"{_UNSPACED}+|\d+(?:[.,:]\d+)*(?!\w)|(?:(?!{_UNSPACED})\w)+")

_END = re.compile(r"[.!?\u2026][)\]\"'\u00bb\u201d\u2019]*\s|[\u3002\uff01\uff1f][\u300d\u300f\u201d]?|\n")

# A full stop that ends no sentence: behind a title, an initial, or the number of a list item.
_ABBREVIATED = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|St|Prof|No|Nr|Fig|vs|e\.g|i\.e|z\.B|[A-Z])|^\s*\d+)\.$", re.MULTILINE)
_ABBREVIATED_NUM_CHARS = 8

# How a line begins that does not go on with the sentence above it: an item, a heading, a table row, a quotation.
_NEW_LINE = re.compile(r"[^\S\n]*(?:[-*+\u2022#|>\n]|\d+[.)]\s|\Z)")

# English, as the preamble and the starter models are; elsewhere only words in every sentence weigh little.
_ENGLISH = (
    "a about after all also an and any are as at be because been before but by can could did do does for from had has "
    "have he her here his how i if in into is it its may me more most my no not of on one only or other our out over "
    "she should so some such than that the their them then there these they this those to under up was we were what "
    "when where which while who whom whose why will with would yes you your"
)
_FUNCTION_WORDS = frozenset(_ENGLISH.split())


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters [start, end) of the document's extracted text, and what they are."""

    start: int
    end: int
    text: str


def quote(chunk: ChunkText, question: str, answer: str) -> Quote | None:
    """The words of a chunk that support the answer; None if nothing does."""
    span = best_span(chunk.text, question, answer)
    if span is None:
        return None
    start, end = span
    return Quote(chunk.start + start, chunk.start + end, chunk.text[start:end])


def best_span(chunk_text: str, question: str, answer: str) -> Span | None:
    """Where in the chunk the sentences stand that support the answer best; None if nothing supports it."""
    told, asked = _all_words(answer), _all_words(question).keys()
    shares = _shares(told.keys(), asked)
    least = min(_LEAST_EVIDENCE, _WORD_WEIGHT * sum(shares.values()))
    sentences = list(_sentences(chunk_text))
    contents = [_words(chunk_text, *sentence) for sentence in sentences]
    rarity = _rarity(contents)
    best, best_score = None, 0.0
    for first, last in _runs(len(sentences)):
        found = _merged(contents[first : last + 1])
        evidence = {word: shares[word] * _weight(told[word], found[word]) for word in told.keys() & found.keys()}
        topic = (asked & found.keys()) - told.keys()
        num_evidence = sum(evidence.values())
        if not evidence or num_evidence < least or (num_evidence < _LEAST_EVIDENCE and not topic):
            continue
        score = sum(weight * rarity[word] for word, weight in evidence.items())
        score += sum(_TOPIC_SHARE * rarity[word] for word in topic) - _SENTENCE_COST * (last - first)
        if score > best_score:
            best, best_score = (sentences[first][0], sentences[last][1]), score
    return best


def _shares(told: Set[str], asked: Set[str]) -> Mapping[str, float]:
    """What counts of each word of the answer: all of it if it is new, or if nothing is ("Is it red?" "It is red.")."""
    has_news = bool(told - asked)
    return {word: _ASKED_SHARE if has_news and word in asked else 1.0 for word in told}


def _runs(num_sentences: int) -> Iterator[tuple[int, int]]:
    """First and last sentence of every run, the shorter ones first."""
    for num_further in range(_MAX_NUM_SENTENCES):
        for first in range(num_sentences - num_further):
            yield first, first + num_further


# --- words


class _Look(IntEnum):
    """Whether a word looks like a name."""

    WORD = 0
    CAPITAL = 1
    """Perhaps one: it begins a sentence."""
    NAME = 2


_Words = Mapping[str, _Look]


def _weight(told: _Look, found: _Look) -> float:
    """A name is one in both texts; the word Bell is no evidence for a bell."""
    return _NAME_WEIGHT if told and found else _WORD_WEIGHT


def _rarity(contents: Sequence[_Words]) -> Mapping[str, float]:
    """1 for a word that stands in one sentence only, less the more sentences it stands in."""
    counts = Counter(word for words in contents for word in words)
    return {word: log(1 + len(contents) / count) / log(1 + len(contents)) for word, count in counts.items()}


def _all_words(text: str) -> _Words:
    return _merged([_words(text, *sentence) for sentence in _sentences(text)])


def _merged(contents: Sequence[_Words]) -> _Words:
    """The words of some sentences, each as it looks most like a name."""
    merged: dict[str, _Look] = {}
    for words in contents:
        for word, look in words.items():
            merged[word] = max(look, merged.get(word, _Look.WORD))
    return merged


def _words(text: str, start: int, end: int) -> _Words:
    """The words of a sentence that mean something, as they are compared."""
    words: dict[str, _Look] = {}
    for number, match in enumerate(_WORD.finditer(text, start, end)):
        written = normalize("NFKC", match[0])
        look = _look(written, is_first=number == 0)
        for word in _compared(written):
            if (len(word) > 1 or word.isdigit()) and word not in _FUNCTION_WORDS:
                words[word] = max(look, words.get(word, _Look.WORD))
    return words


def _look(written: str, *, is_first: bool) -> _Look:
    """Numbers of two digits and identifiers (parseFile, max_size) are as good as names."""
    is_number = written[0].isdigit() and len(written) > 1
    if is_number or "_" in written.strip("_") or any(character.isupper() for character in written[1:]):
        return _Look.NAME
    if written[0].isupper():
        return _Look.CAPITAL if is_first else _Look.NAME
    return _Look.WORD


def _compared(written: str) -> Iterator[str]:
    """Without capitals and the s of a plural; scripts without spaces as pairs of neighbours."""
    if re.match(_UNSPACED, written):
        yield from ("".join(pair) for pair in pairwise(written))
        return
    word = written.casefold()
    yield word.removesuffix("s") if len(word) > 3 else word


# --- sentences


def _sentences(text: str) -> Iterator[Span]:
    """The sentences, headings, items and lines of code of a text, without the spaces around them."""
    start = 0
    for end in (*(match.end() for match in _END.finditer(text) if _is_end(text, match)), len(text)):
        yield from _pieces(text, start, end)
        start = end


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    for first, last in bounded(text, start, end, _MAX_SENTENCE_NUM_CHARS):
        yield first_word(text, first, last), last


def _is_end(text: str, match: re.Match[str]) -> bool:
    if match[0] == "\n":
        line_start = text.rfind("\n", 0, match.start()) + 1
        is_short = match.start() - line_start < _WRAPPED_LINE_NUM_CHARS
        return is_short or _NEW_LINE.match(text, match.end()) is not None
    if not match[0][-1].isspace():
        return True
    if text[match.end() : match.end() + 1].islower():
        return False
    return not _ABBREVIATED.search(text[max(match.start() + 1 - _ABBREVIATED_NUM_CHARS, 0) : match.start() + 1])
