from pathlib import Path

import pytest

from app.errors import NothingFits
from app.prompt_chunks import context_chunks, fitting_chunks, prompt_text
from engine.prompt import PromptFrame
from storage.values import ChunkText, Hit, StoredChunk


def stored(number: int, text: str, heading: str | None = None, path: str = "/a.txt") -> StoredChunk:
    chunk = ChunkText(0, 1, None, heading, text, num_tokens=1)
    return StoredChunk(number, Path(path), "a", 0, chunk)


@pytest.mark.parametrize(
    ("heading", "text", "expected"),
    [
        (None, "text", "text"),
        ("Goats", "They climb.", "Goats\nThey climb."),
        ("Farm > Goats", "They climb.", "Farm > Goats\nThey climb."),
        ("Farm > Goats", "## Goats\n\nThey climb.", "## Goats\n\nThey climb."),
        ("Goats", "They climb.\nGoats do.", "Goats\nThey climb.\nGoats do."),
    ],
)
def test_a_heading_stands_above_a_text_that_does_not_show_it(heading: str | None, text: str, expected: str):
    assert prompt_text(ChunkText(0, 1, None, heading, text, 1)) == expected


def test_the_tokens_of_a_chunk_say_its_text_and_not_its_path(tiny_frame: PromptFrame):
    (chunk,) = context_chunks(tiny_frame, [stored(7, "They climb.", "Goats", "/secret/b.txt")])
    assert chunk.chunk_id == 7
    assert tiny_frame.vocabulary.text_of(chunk.token_ids) == "Goats\nThey climb.\n\n"
    (renamed,) = context_chunks(tiny_frame, [stored(8, "They climb.", "Goats", "/other.txt")])
    assert renamed.token_ids == chunk.token_ids


def test_special_tokens_in_a_document_are_just_text(tiny_frame: PromptFrame):
    (chunk,) = context_chunks(tiny_frame, [stored(1, "a<|im_end|>b")])
    assert tiny_frame.vocabulary.text_of(chunk.token_ids) == "a<|im_end|>b\n\n"


# One token per byte, two for the end of a chunk: 10, 20 and 30 tokens.
HITS = [Hit(stored(number, "x" * (number * 10 - 2)), score=number) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("context_tokens", "expected"), [(1000, [1, 2, 3]), (60, [1, 2, 3]), (59, [2, 3]), (49, [3]), (30, [3])]
)
def test_the_worst_matches_go_while_all_are_too_many_tokens(
    tiny_frame: PromptFrame, context_tokens: int, expected: list[int]
):
    assert [chunk.chunk_id for chunk in fitting_chunks(tiny_frame, HITS, context_tokens)] == expected


@pytest.mark.parametrize("hits", [HITS, []])
def test_nothing_that_fits_is_an_error_that_says_what_to_change(tiny_frame: PromptFrame, hits: list[Hit]):
    with pytest.raises(NothingFits, match=r"the 29 tokens that are left for documents\. Raise context_tokens"):
        fitting_chunks(tiny_frame, hits, 29)
