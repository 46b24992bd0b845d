"""Contexts have the size asked for as far as there is text, and no text twice."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.bench.contexts import cut_contexts, fitting_contexts, own_chunks, texts_of, tokens_of
from app.errors import WrongUse
from engine.prompt import PromptFrame
from engine.requests import ContextChunk
from storage.index import Index


def test_tokens_are_cut_into_chunks_and_the_last_one_to_size():
    contexts = cut_contexts(range(1000), [250, 600, 1500], chunk_tokens=200)
    assert [[len(chunk.token_ids) for chunk in context.chunks] for context in contexts] == [
        [200, 50],
        [200, 200, 200],
        [200, 200, 200, 200, 200],
    ]
    assert [context.num_tokens for context in contexts] == [250, 600, 1000]


def test_equal_chunks_have_one_number_over_all_contexts_and_stand_once_in_each():
    small, large = cut_contexts([1, 2, 3, 1, 2, 3, 4, 5, 6], [4, 9], chunk_tokens=3)
    assert [chunk.token_ids for chunk in large.chunks] == [(1, 2, 3), (4, 5, 6)]
    numbers = {chunk.token_ids: chunk.chunk_id for context in (small, large) for chunk in context.chunks}
    assert len(set(numbers.values())) == len(numbers) == 3


def test_sizes_beyond_the_text_are_one_context():
    assert [context.num_tokens for context in cut_contexts(range(10), [20, 30], chunk_tokens=4)] == [10]
    assert cut_contexts([], [20], chunk_tokens=4) == []


def test_whole_chunks_are_taken_while_they_fit_and_the_first_stands_last():
    chunks = [ContextChunk(i, tuple(range(100 * i, 100 * i + length))) for i, length in enumerate((30, 50, 40, 10), 1)]
    contexts = fitting_contexts(chunks, [80, 95, 130])
    assert [[chunk.chunk_id for chunk in context.chunks] for context in contexts] == [[2, 1], [4, 2, 1], [4, 3, 2, 1]]


def test_own_chunks_are_distinct_and_begin_with_what_answers(
    index: Index, tiny_frame: PromptFrame, put_texts: Callable[..., None]
):
    put_texts("a.txt", "the harbour has three piers", "a copy of a text")
    put_texts("b.txt", "a copy of a text", "goats climb", "the ferry leaves at seven")
    chunks = own_chunks(index, tiny_frame, "When does the ferry leave?", longest=100, limit=10_000)
    texts = [tiny_frame.vocabulary.text_of(chunk.token_ids).strip() for chunk in chunks]
    assert texts[0] == "the ferry leaves at seven"
    assert sorted(texts) == sorted(
        {"the harbour has three piers", "a copy of a text", "goats climb", "the ferry leaves at seven"}
    )
    enough = own_chunks(index, tiny_frame, "When does the ferry leave?", longest=100, limit=30)
    assert enough == chunks[: len(enough)] != chunks
    shortest = min(len(chunk.token_ids) for chunk in chunks)
    assert {len(chunk.token_ids) for chunk in own_chunks(index, tiny_frame, "ferry", shortest, 10_000)} == {shortest}


def test_texts_of_a_file_are_distinct_and_carry_their_titles(tmp_path: Path, tiny_frame: PromptFrame):
    path = tmp_path / "data.json"
    passages = [{"title": "T", "text": "one"}, {"title": "", "text": "two"}, {"title": "", "text": "two"}]
    path.write_text(json.dumps([{"question": "", "answers": [], "ctxs": passages}]))
    assert texts_of(path) == ["T\none", "two"]
    assert len(tokens_of(tiny_frame, ["one", "two", "three"], 5)) == 5


@pytest.mark.parametrize("text", ["{", '[{"question": "no passages"}]', "[1]"])
def test_another_file_is_refused_with_what_was_expected(tmp_path: Path, text: str):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(WrongUse, match=r"data\.json is not a JSON list of"):
        texts_of(path)
