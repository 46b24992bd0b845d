from collections.abc import Callable, Collection

import pytest

from app.search.retrieval import Retrieved, fused, ranked, retrieve
from storage.index import Index
from storage.values import Hit

PutTexts = Callable[..., None]


def texts(found: Retrieved) -> list[str]:
    return [hit.chunk.chunk.text for hit in found.hits]


def test_the_best_match_stands_last(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "goat goat goat", "the tide", "sand", "the goat and a ferry", "wind", "rain")
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


def test_words_that_only_ask_do_not_count_beside_others(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "who is who, and who does what", "sand")
    put_texts("b.txt", "the captain", "wind")
    assert texts(retrieve(index, "Who is the captain?", 1000)) == ["the captain"]


def test_words_that_only_ask_are_searched_where_there_are_no_others(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "sand", "wind", "who is who")
    found = retrieve(index, "Who?", 1000)
    assert (texts(found), found.matched) == (["who is who"], True)
    assert not retrieve(index, "Who is the captain?", 1000).matched


def test_a_question_without_spaces_between_its_words_finds_its_passage(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "渡轮早上七点出发", "面包店出售馅饼", "船长买下了这艘船")
    assert texts(retrieve(index, "面包店卖什么？", 1000)) == ["面包店出售馅饼"]


def test_a_search_can_be_held_to_some_documents(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "the goat", "sand")
    put_texts("b.txt", "a goat", "wind")
    only = {document.id for document in index.documents() if document.path.name == "b.txt"}
    assert texts(retrieve(index, "goat", 1000, document_ids=only)) == ["a goat"]
    openings = retrieve(index, "submarine", 1000, document_ids=only)
    assert (texts(openings), openings.matched) == (["a goat"], False)
    assert retrieve(index, "goat", 1000, document_ids=()).hits == ()


# --- neighbours


def test_neighbours_stand_side_by_side_in_the_documents_order_behind_worse_runs(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "a goat in the hills over there", "goat goat goat goat", "sand", "rain")
    put_texts("b.txt", "goat goat in a far field", "wind", "fog", "ice")
    assert texts(retrieve(index, "goat", 1000)) == [
        "goat goat in a far field",
        "a goat in the hills over there",
        "goat goat goat goat",
    ]


def test_chunks_of_two_documents_are_no_neighbours(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "goat and some more words", "sand")
    put_texts("b.txt", "x", "goat goat", "wind")
    put_texts("c.txt", "y", "z", "a goat among many other words of no interest")
    assert texts(retrieve(index, "goat", 1000)) == [
        "a goat among many other words of no interest",
        "goat and some more words",
        "goat goat",
    ]


def test_a_chunk_missing_between_two_is_filled_in_if_there_is_room(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "goat goat", "its price is nine", "a goat", "sand", "rain", num_tokens=10)
    assert texts(retrieve(index, "goat", 78)) == ["goat goat", "its price is nine", "a goat"]
    assert texts(retrieve(index, "goat", 77)) == ["a goat", "goat goat"]


def test_no_more_than_one_chunk_is_filled_in_between_two(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "goat goat", "sand", "wind", "a goat", "rain", "fog")
    assert sorted(texts(retrieve(index, "goat", 1000))) == ["a goat", "goat goat"]


# --- near-duplicates

LONG = "the goat of the ferryman eats the ropes of the middle pier every morning before the captain comes on board and "


@pytest.mark.parametrize("copy", [LONG + "leaves", LONG.upper() + "LEAVES!", LONG.replace("the", "the ") + "goes"])
def test_of_texts_that_say_the_same_the_better_one_is_taken(index: Index, put_texts: PutTexts, copy: str):
    put_texts("old.txt", LONG + "leaves", "sand", "wind")
    put_texts("new.txt", "x", copy, "goat")
    found = texts(retrieve(index, "goat", 1000))
    assert len(found) == 2
    assert "goat" in found


@pytest.mark.parametrize("other", [LONG + "leaves at 8", "goat " + " ".join(reversed(LONG.split()))])
def test_texts_with_other_numbers_or_other_sentences_are_both_taken(index: Index, put_texts: PutTexts, other: str):
    put_texts("old.txt", LONG + "leaves at 7", "sand", "wind")
    put_texts("new.txt", "x", other, "y")
    assert len(retrieve(index, "goat", 1000).hits) == 2


def test_short_texts_are_compared_too(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "the goat", "sand", "wind")
    put_texts("b.txt", "x", "The goat!", "y")
    put_texts("c.txt", "x", "a goat", "y")
    assert len(retrieve(index, "goat", 1000).hits) == 2


# --- search by meaning


class Meaning:
    """A search by meaning that finds what it was told to, in this order."""

    def __init__(self, index: Index, *found: str) -> None:
        by_text = {stored.chunk.text: stored for stored in index.chunks()}
        self.hits = [Hit(by_text[text], 1 / rank) for rank, text in enumerate(found, start=1)]
        self.asked: list[tuple[str, int, Collection[int] | None]] = []

    def __call__(self, question: str, limit: int, document_ids: Collection[int] | None) -> list[Hit]:
        self.asked.append((question, limit, document_ids))
        return self.hits[:limit]


def test_what_both_searches_find_comes_before_what_one_finds(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "goat goat goat", "sand", "wind", "a goat on a hill", "rain", "fog", "a kid", "snow")
    hits = ranked(index, "Which goat?", 10, dense=Meaning(index, "a kid", "a goat on a hill"))
    assert [hit.chunk.chunk.text for hit in hits] == ["a goat on a hill", "goat goat goat", "a kid"]
    assert [round(hit.score, 4) for hit in hits] == [round(2 / 12, 4), round(1 / 11, 4), round(1 / 11, 4)]
    assert len(ranked(index, "Which goat?", 2, dense=Meaning(index, "a kid", "a goat on a hill"))) == 2


def test_a_match_by_meaning_alone_is_a_match(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "a kid", "sand", "wind")
    found = retrieve(index, "goat", 1000, dense=Meaning(index, "a kid"))
    assert (texts(found), found.matched) == (["a kid"], True)


def test_where_neither_search_finds_anything_the_beginnings_are_given(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "a kid", "sand", "wind")
    found = retrieve(index, "goat", 1000, dense=Meaning(index))
    assert (texts(found), found.matched) == (["a kid"], False)


def test_the_search_by_meaning_gets_the_whole_question_and_the_documents(index: Index, put_texts: PutTexts):
    put_texts("a.txt", "a kid")
    meaning = Meaning(index, "a kid")
    only = [document.id for document in index.documents()]
    retrieve(index, "Which goat is it?", 1000, dense=meaning, document_ids=only)
    ((question, limit, document_ids),) = meaning.asked
    assert (question, document_ids) == ("Which goat is it?", only)
    assert limit >= 20


def test_fusing_one_list_keeps_its_order_and_none_gives_nothing(index: Index, put_texts: PutTexts):
    put_texts("a.txt", *"abcd")
    hits = Meaning(index, *"dbca").hits
    assert [hit.chunk.chunk.text for hit in fused([hits])] == list("dbca")
    assert fused([]) == fused([[], []]) == []


def test_the_beginnings_of_a_large_index_are_not_all_read(
    index: Index, put_texts: PutTexts, monkeypatch: pytest.MonkeyPatch
):
    for number in range(60):
        put_texts(f"{number}.txt", f"beginning {number}")
    monkeypatch.setattr(Index, "chunks", lambda self, document_path: pytest.fail("all chunks were read"))
    assert len(retrieve(index, "submarine", 10_000).hits) == 50
