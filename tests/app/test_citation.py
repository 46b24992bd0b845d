import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.citation import best_span, quote
from storage.values import ChunkText

PEOPLE = """## Gull Lane

Odile Marsh lives at 2 Gull Lane. She bakes every morning at 5. Cornelius Pike lives at 4 Gull Lane. He collects
bottles with letters in them and has 57 of them.

## Bell Street

Petra Lund lives at 9 Bell Street. She is the doctor of the island. Her surgery is open from Monday to Thursday, from 9
to 12 in the morning. The church bell rings at noon.
"""

FERRY = "The ferry is red. Its captain is Odile Marsh, who bought it in 1998. Odile Marsh keeps two cats on board."


def quoted(chunk: str, question: str, answer: str) -> str | None:
    span = best_span(chunk, question, answer)
    return None if span is None else chunk[slice(*span)]


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Who lives at 9 Bell Street?", "Petra Lund.", "Petra Lund lives at 9 Bell Street."),
        ("What is Petra Lund?", "She is the doctor of the island.", "She is the doctor of the island."),
        ("How many bottles are there?", "57", "He collects\nbottles with letters in them and has 57 of them."),
        ("When does Odile bake?", "In the morning, at 5.", "She bakes every morning at 5."),
        ("Who rows a boat?", "the doctor of the island", "She is the doctor of the island."),
    ],
)
def test_the_sentence_that_says_it_is_quoted(question: str, answer: str, expected: str):
    assert quoted(PEOPLE, question, answer) == expected


def test_of_two_sentences_with_the_same_name_the_question_picks_one():
    captain = "Its captain is Odile Marsh, who bought it in 1998."
    assert quoted(FERRY, "Who is the captain?", "Odile Marsh") == captain
    assert quoted(FERRY, "Who has cats?", "Odile Marsh") == "Odile Marsh keeps two cats on board."


def test_an_answer_of_two_facts_is_supported_by_two_sentences():
    answer = "Odile Marsh bought it in 1998 and keeps two cats on board."
    assert quoted(FERRY, "Tell me about the captain.", answer) == FERRY.removeprefix("The ferry is red. ")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who is the mayor?", ""),
        ("Who is the mayor?", "The documents do not say."),
        ("Who is the mayor?", "It is him."),
        ("Who lives at the lighthouse?", "Ines Calloway lives there."),
        ("Where is the lighthouse?", "At Cape Brindle."),
        ("How long does tea steep?", "9 minutes"),
        ("How many goats are there?", "9"),
        ("Who rows?", "Rufus Quill"),
    ],
)
def test_what_supports_nothing_is_not_quoted(question: str, answer: str):
    assert quoted(PEOPLE, question, answer) is None


def test_repeating_the_question_is_no_evidence():
    assert quoted("The ferry lands in Grindlow.", "Who is mayor of Grindlow?", "Agnes is mayor of Grindlow.") is None


def test_an_answer_that_only_confirms_the_question_is_supported_by_its_words():
    assert quoted(FERRY, "Is the ferry red?", "Yes, the ferry is red.") == "The ferry is red."


def test_numbers_and_names_weigh_more_than_other_words():
    assert quoted("The harbour is deep. The tower has 118 steps.", "?", "harbour 118") == "The tower has 118 steps."
    assert quoted("The harbour is deep. It is called Slip.", "?", "the harbour Slip") == "It is called Slip."
    assert quoted("The harbour is deep. Boats slip by.", "?", "the Slip") is None


def test_words_that_stand_everywhere_in_the_chunk_weigh_little():
    chunk = "Goats eat thistles. Goats eat grass. Goats eat hay. The goats sleep in the barn, old goats outside."
    assert quoted(chunk, "?", "Goats eat in the barn.") == chunk[chunk.index("The goats") :]


@pytest.mark.parametrize(
    ("chunk", "answer", "expected"),
    [
        ("Tea is good. Dr. Petra Lund is e.g. here. So.", "Petra Lund", "Dr. Petra Lund is e.g. here."),
        ("# Goats\n\n1. Wash it.\n2. Steep for 17 minutes.\n3. Pour.", "17 minutes", "2. Steep for 17 minutes."),
        ("- Lamp: 12 florins\n- Goat: 17 florins", "17 florins", "- Goat: 17 florins"),
        ("| a | 12 |\n| b | 17 |", "17", "| b | 17 |"),
        ("def cut_text(size):\n    limit = 3\n    return limit", "Call cut_text.", "def cut_text(size):"),
        ("猫が好きです。茶は七分間蒸らす。犬もいる。", "七分間蒸らします", "茶は七分間蒸らす。"),
        ("The captains ﬁnd Marsh’s cats.", "A captain can find a cat.", "The captains ﬁnd Marsh’s cats."),
    ],
)
def test_sentences_items_and_lines_are_told_apart(chunk: str, answer: str, expected: str | None):
    assert quoted(chunk, "?", answer) == expected


def test_a_text_without_sentence_ends_is_quoted_in_pieces():
    words = [f"word{number}" for number in range(500)]
    found = quoted(" ".join(words), "?", "word250 word251")
    assert found
    assert "word250 word251" in found
    assert len(found) < 1000


def test_a_quote_is_placed_in_the_document():
    chunk = ChunkText(100, 100 + len(FERRY), None, None, FERRY, 30)
    found = quote(chunk, "Who is the captain?", "Odile Marsh")
    assert found
    assert (
        FERRY[found.start - 100 : found.end - 100] == found.text == "Its captain is Odile Marsh, who bought it in 1998."
    )
    assert quote(chunk, "Who is the mayor?", "Agnes Tolliver") is None


TEXTS = st.text(alphabet="ab AB.\n!17茶。-#'é\u0301_", max_size=80)


@given(TEXTS, TEXTS, TEXTS)
def test_a_span_is_words_of_the_chunk_without_spaces_around_them(chunk: str, question: str, answer: str):
    span = best_span(chunk, question, answer)
    if span:
        assert 0 <= span[0] < span[1] <= len(chunk)
        text = chunk[slice(*span)]
        assert text == text.strip()
