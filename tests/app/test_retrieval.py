from collections.abc import Callable

import pytest

from app.retrieval import Retrieved, retrieve
from storage.index import Index

PutTexts = Callable[..., None]


def texts(found: Retrieved) -> list[str]:
    return [hit.chunk.chunk.text for hit in found.hits]


def test_the_best_match_stands_last(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "goat goat goat", "the goat and a ferry", "the tide", "sand", "wind", "rain")
    found = retrieve(index, "Which goat?", 1000)
    assert found.matched
    assert texts(found) == ["the goat and a ferry", "goat goat goat"]


def test_questions_are_words_and_never_query_syntax(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "the goat", "sand", "wind")
    assert texts(retrieve(index, 'goat" OR NEAR(*) AND -"', 1000)) == ["the goat"]


@pytest.mark.parametrize(("context_tokens", "expected"), [(77, 2), (78, 3), (1000, 3), (25, 0)])
def test_no_more_is_taken_than_the_context_holds(index: Index, put_texts: PutTexts, context_tokens: int, expected: int):
    put_texts("a.txt", "goat one", "goat two", "goat three", "x", "y", "z", "w")
    assert len(retrieve(index, "goat", context_tokens).hits) == expected


def test_a_chunk_that_does_not_fit_is_passed_over_for_a_smaller_one(index: Index, put_texts: PutTexts):
    put_texts("long.txt", "goat goat goat goat", num_tokens=500)
    put_texts("short.txt", "a goat on the far side of the hill", "sand", "wind", "rain", num_tokens=10)
    assert texts(retrieve(index, "goat", 100)) == ["a goat on the far side of the hill"]


@pytest.mark.parametrize("question", ["submarine", "???", ""])
def test_without_a_match_the_beginnings_of_documents_are_given(index: Index, put_texts: PutTexts, question: str):
    put_texts("a.txt", "first of a", "second of a")
    put_texts("b.txt", "first of b", "second of b")
    found = retrieve(index, question, 1000)
    assert not found.matched
    assert sorted(texts(found)) == ["first of a", "first of b"]


def test_an_empty_index_gives_nothing(index: Index):
    assert retrieve(index, "goat", 1000).hits == ()
