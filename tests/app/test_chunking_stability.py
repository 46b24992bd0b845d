"""An edit changes the chunks around it; before and behind it two versions of a document have the same ones."""

import random
from collections.abc import Callable
from itertools import takewhile
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chunking import cut
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.registry import extract
from storage.values import ChunkText


def count_words(text: str) -> int:
    return len(text.split())


# --- any text: what is far before an edit stays, and borders that meet behind it stay together

LIMIT, LONGEST, RANKED_NUM_CHARS = 20, 12, 32

WORDS = st.lists(st.sampled_from(["tea", "ferry", "goat.", "lamp", "tower", "x1."]), min_size=1, max_size=LONGEST)
HEADINGS = st.sampled_from([None, "A", "A > B", "A > B > C"])
PARAGRAPHS = st.lists(st.tuples(HEADINGS, WORDS.map(" ".join)), max_size=30)
Paragraphs = list[tuple[str | None, str]]


def document_of(paragraphs: Paragraphs) -> ExtractedDocument:
    text, passages = "", []
    for heading, paragraph in paragraphs:
        passages.append(Passage(len(text), len(text) + len(paragraph), heading=heading))
        text += paragraph + "\n\n"
    return ExtractedDocument("title", text, tuple(passages))


@settings(max_examples=100, deadline=None)
@given(PARAGRAPHS, PARAGRAPHS, PARAGRAPHS)
def test_chunks_far_before_an_edit_do_not_notice_it(before: Paragraphs, old: Paragraphs, new: Paragraphs):
    unedited, edited = document_of([*before, *old]), document_of([*before, *new])
    same_until = len(document_of(before).text) - RANKED_NUM_CHARS
    chunks = cut(edited, count_words, LIMIT)
    for chunk in cut(unedited, count_words, LIMIT):
        if count_words(unedited.text[chunk.start : max(same_until, 0)]) > LIMIT + LONGEST:
            assert chunk in chunks


@settings(max_examples=100, deadline=None)
@given(PARAGRAPHS, PARAGRAPHS, PARAGRAPHS)
def test_chunks_that_begin_together_behind_an_edit_go_on_together(old: Paragraphs, new: Paragraphs, behind: Paragraphs):
    same_from = len(document_of(behind).text) - RANKED_NUM_CHARS
    unedited, edited = (_by_distance_from_the_end(document_of([*part, *behind])) for part in (old, new))
    together = max((distance for distance in unedited if distance in edited and distance <= same_from), default=0)
    ends = [{at: text for at, text in chunks.items() if at <= together} for chunks in (unedited, edited)]
    assert ends[0] == ends[1]


def _by_distance_from_the_end(document: ExtractedDocument) -> dict[int, str]:
    return {len(document.text) - chunk.start: chunk.text for chunk in cut(document, count_words, LIMIT)}


# --- long documents, random edits: how many chunks change

VOCABULARY = ["".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=1 + n % 9)) for n in range(2000)]
Random = random.Random


def sentence(chance: Random) -> str:
    return " ".join(chance.choices(VOCABULARY, k=chance.randint(4, 25))).capitalize() + "."


def paragraph(chance: Random) -> str:
    return " ".join(sentence(chance) for _ in range(chance.randint(1, 9)))


def definition(chance: Random) -> str:
    lines = ("    " + " ".join(chance.choices(VOCABULARY, k=5)) for _ in range(chance.randint(2, 25)))
    return "\n".join([f"def {chance.choice(VOCABULARY)}_{chance.choice(VOCABULARY)}():", *lines])


def section(chance: Random) -> str:
    paragraphs = (paragraph(chance) for _ in range(chance.randint(1, 9)))
    return "\n\n".join([f"{'#' * chance.randint(2, 4)} {sentence(chance)}", *paragraphs])


def entry(chance: Random) -> str:
    return f"## {sentence(chance)}\n\n{sentence(chance)}"


def word(chance: Random) -> str:
    return chance.choice(VOCABULARY)


SHAPES = {
    "prose": ("a.txt", paragraph, 150, "\n\n"),
    "short paragraphs": ("a.txt", sentence, 600, "\n\n"),
    "sections": ("a.md", section, 40, "\n\n"),
    "a glossary": ("a.md", entry, 250, "\n\n"),
    "code": ("a.py", definition, 150, "\n\n"),
    "one paragraph": ("a.md", sentence, 600, " "),
    "one paragraph of plain text": ("a.txt", sentence, 600, " "),
    "one sentence": ("a.md", word, 10_000, " "),
}


def edited(parts: list[str], make: Callable[[Random], str], chance: Random) -> list[str]:
    """A part inserted, deleted or replaced, or a word of one replaced."""
    at = chance.randrange(len(parts))
    words = parts[at].split(" ")
    words[-1] = chance.choice(VOCABULARY)
    middle = chance.choice([[make(chance), parts[at]], [], [make(chance)], [" ".join(words)]])
    return [*parts[:at], *middle, *parts[at + 1 :]]


def words_of(chunks: list[ChunkText]) -> list[tuple[str | None, str]]:
    return [(chunk.heading, chunk.text) for chunk in chunks]


def num_equal(pairs: zip) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_edit_of_a_long_document_changes_few_chunks(shape: str):
    name, make, num_parts, gap = SHAPES[shape]
    nums_new, nums_apart = [], []
    for seed in range(3):
        chance = Random(seed)
        parts = [make(chance) for _ in range(num_parts)]
        chunks = words_of(cut(extract(name, gap.join(parts).encode()), count_words, 400))
        for _ in range(8):
            text = gap.join(edited(parts, make, chance))
            others = words_of(cut(extract(name, text.encode()), count_words, 400))
            nums_new.append(len(set(others) - set(chunks)))
            same_before = num_equal(zip(chunks, others, strict=False))
            same_behind = num_equal(zip(reversed(chunks), reversed(others), strict=False))
            nums_apart.append(len(others) - same_before - same_behind)
    assert mean(nums_new) <= 3
    # From a few chunks behind the edit on all are the same again.
    assert mean(nums_apart) <= 3


@pytest.mark.parametrize("shape", ["prose", "short paragraphs", "one paragraph", "one sentence"])
def test_chunks_of_long_prose_are_well_filled(shape: str):
    name, make, num_parts, gap = SHAPES[shape]
    nums_tokens = []
    for seed in range(3):
        chance = Random(seed)
        text = gap.join(make(chance) for _ in range(num_parts))
        *chunks, _ = cut(extract(name, text.encode()), count_words, 400)
        nums_tokens += [chunk.num_tokens for chunk in chunks]
    assert mean(nums_tokens) >= 0.7 * 400
