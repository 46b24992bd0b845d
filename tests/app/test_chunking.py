from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chunking import CountTokens, cut
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.registry import extract
from storage.values import ChunkText


def count_words(text: str) -> int:
    return len(text.split())


def count_bytes(text: str) -> int:
    return len(text.encode())


def count_lines_dearly(text: str) -> int:
    """Joined texts count much higher than their parts do."""
    return len(text.split()) + 5 * text.count("\n\n")


def count_pairs(text: str) -> int:
    """Joined texts count lower than their parts do."""
    return (len(text) + 1) // 2


COUNTERS = [count_words, count_bytes, count_lines_dearly, count_pairs]


class CountingCounter:
    def __init__(self, count_tokens: CountTokens) -> None:
        self.num_calls = 0
        self.num_chars = 0
        self._count_tokens = count_tokens

    def __call__(self, text: str) -> int:
        self.num_calls += 1
        self.num_chars += len(text)
        return self._count_tokens(text)


def sections(*parts: tuple[str | None, int]) -> ExtractedDocument:
    """A document of one passage per part: its heading, and how many words it has."""
    text, passages = "", []
    for heading, num_words in parts:
        words = " ".join(["word"] * num_words)
        passages.append(Passage(len(text), len(text) + len(words), heading=heading))
        text += words + "\n\n"
    return ExtractedDocument("title", text, tuple(passages))


def sizes(chunks: list[ChunkText]) -> list[int]:
    return [chunk.num_tokens for chunk in chunks]


def test_passages_are_packed_up_to_the_limit():
    document = sections((None, 30), (None, 30), (None, 39), (None, 30))
    # Three passages and two gaps of a guessed token each: 101 would not fit.
    assert sizes(cut(document, count_words, 101)) == [99, 30]
    assert sizes(cut(document, count_words, 100)) == [60, 69]


def test_a_chunk_is_the_exact_text_of_its_span():
    document = extract("a.txt", b"one two\n\n\n  three\n\nfour")
    (chunk,) = cut(document, count_words)
    assert chunk == ChunkText(0, 23, None, None, "one two\n\n\n  three\n\nfour", 4)


def test_heading_and_page_are_those_of_the_first_passage():
    document = ExtractedDocument("title", "one\n\ntwo", (Passage(0, 3, 7, "A"), Passage(5, 8, 8, "B")))
    (chunk,) = cut(document, count_words)
    assert (chunk.page, chunk.heading) == (7, "A")


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (("A", "B"), [50, 10]),
        (("A > B", "A > C"), [50, 10]),
        (("A", "A > B"), [50, 10]),
        ((None, "A"), [50, 10]),
        (("A > B > C", "A > B > D"), [60]),
        (("A > B", "A > B > C"), [60]),
        (("A", "A"), [60]),
    ],
)
def test_a_section_of_the_two_outer_levels_starts_a_chunk(headings: tuple[str, str], expected: list[int]):
    assert sizes(cut(sections((headings[0], 50), (headings[1], 10)), count_words, 100)) == expected


def test_small_sections_share_a_chunk():
    assert sizes(cut(sections(*((str(number), 10) for number in range(6))), count_words, 100)) == [40, 20]


def test_a_section_that_is_not_small_shares_its_chunk_with_no_later_one():
    assert sizes(cut(sections(("A", 60), ("B", 15), ("C", 15), ("D", 60)), count_words, 100)) == [60, 30, 60]


def test_a_chapter_claims_more_than_its_parts():
    document = sections(("A > B", 15), ("A > C", 15), ("D", 10), ("D > E", 60))
    # D starts behind 30 words, D > E behind 40: both end a chunk that is not small.
    assert sizes(cut(document, count_words, 100)) == [30, 70]


def test_within_a_section_the_start_of_a_part_claims_more_than_the_end_of_a_passage():
    document = sections(("A > B > C", 30), ("A > B > C", 30), ("A > B > D", 15), ("A > B > D", 15), ("A > B > D", 30))
    assert sizes(cut(document, count_words, 100)) == [60, 60]


def test_a_long_passage_is_split_behind_sentences():
    document = extract("a.md", b"The keeper rows. " * 100)
    chunks = cut(document, count_words, 20)
    assert all(chunk.text.endswith("rows.") for chunk in chunks)
    assert sum(sizes(chunks)) == 300


def test_a_long_sentence_is_split_between_words():
    chunks = cut(extract("a.md", b"word " * 100), count_bytes, 22)
    words = [word for chunk in chunks for word in chunk.text.split()]
    assert words == ["word"] * 100


def test_a_word_that_fits_is_not_broken():
    chunks = cut(extract("a.md", b"saturday longer-sentence " * 10), count_bytes, 18)
    assert {chunk.text for chunk in chunks} == {"saturday", "longer-sentence"}


def test_sentences_that_are_split_themselves_still_claim_more_than_words():
    chance = Random(0)
    sentences = (" ".join(chance.choices(["tea", "ferry", "lamp", "tower"], k=12)) + "." for _ in range(60))
    chunks = cut(extract("a.md", " ".join(sentences).encode()), count_bytes, 150)
    assert {chunk.text[-1] for chunk in chunks} == {"."}


def test_the_end_of_a_paragraph_claims_more_than_passages_within_one():
    spans = [(0, 199), (200, 299), (301, 399), (400, 549)]
    text = "word " * 110
    text = text[:299] + "\n\n" + text[301:]
    document = ExtractedDocument("title", text, tuple(Passage(start, end) for start, end in spans))
    assert sizes(cut(document, count_words, 100)) == [60, 50]


def test_a_long_word_is_split_between_characters():
    assert "".join(chunk.text for chunk in cut(extract("a.md", b"x" * 1000), count_bytes, 64)) == "x" * 1000


def test_indentation_longer_than_a_chunk_is_dropped():
    document = extract("a.py", b"f:\n" + b" " * 50 + b"x")
    assert [chunk.text for chunk in cut(document, count_bytes, 8)] == ["f:", "x"]


def test_a_limit_below_one_character_is_refused():
    with pytest.raises(ValueError, match="one character takes 2 tokens, more than 1"):
        cut(extract("a.txt", "é".encode()), count_bytes, 1)


def test_passages_whose_joined_text_counts_too_high_are_parted_again():
    document = sections(*((None, 4) for _ in range(8)))
    # By the sum of the parts three fit (4 + 1 + 4 + 1 + 4 = 14), by the joined text two (4 + 5 + 4 = 13).
    assert sizes(cut(document, count_lines_dearly, 15)) == [13, 13, 13, 13]


def test_parting_again_takes_few_attempts():
    document = sections(*((None, 1) for _ in range(1000)))
    counter = CountingCounter(count_lines_dearly)
    chunks = cut(document, counter, 1000)
    # 166 fit; dropping one passage at a time from the 500 guessed takes over 300 attempts for each chunk.
    assert counter.num_calls <= 1000 + 10 * len(chunks)
    assert all(num_tokens <= 1000 for num_tokens in sizes(chunks))


def test_a_document_without_passages_has_no_chunks():
    assert cut(extract("a.txt", b" \n"), count_words) == []


@pytest.mark.parametrize(
    "data",
    [b"Some words here.\n\n" * 4000, b"Some words here. " * 4000, b"x" * 70_000, b"# T\n\ntext\n\n" * 3000],
)
@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_counting_grows_with_the_document_and_no_faster(name: str, data: bytes):
    document = extract(name, data)
    counter = CountingCounter(count_pairs)
    chunks = cut(document, counter, 128)
    assert counter.num_calls <= len(document.passages) + 3 * len(chunks)
    assert counter.num_chars <= 4 * len(document.text)


FRAGMENTS = ["word", "Long sentence here. ", " ", "\n", "x" * 40, "# A\n\n", "## B\n", "é。", "    "]
PARAGRAPHS = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join)
TEXTS = st.lists(PARAGRAPHS, max_size=20).map("\n\n".join)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["a.txt", "a.md", "a.py"]), TEXTS, st.integers(4, 60), st.sampled_from(COUNTERS))
def test_chunks_hold_every_word_once_within_the_limit(name: str, text: str, max_num_tokens: int, count_tokens):
    document = extract(name, text.encode())
    chunks = cut(document, count_tokens, max_num_tokens)
    for chunk in chunks:
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.num_tokens == count_tokens(chunk.text) <= max_num_tokens
    covered = [position for chunk in chunks for position in range(chunk.start, chunk.end)]
    assert covered == sorted(set(covered))
    in_passages = {at for passage in document.passages for at in range(passage.start, passage.end)}
    assert {at for at in in_passages if not document.text[at].isspace()} <= set(covered)
    assert cut(document, count_tokens, max_num_tokens) == chunks
