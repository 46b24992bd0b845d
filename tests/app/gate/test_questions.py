"""The bundled questions."""

from hashlib import sha256

import pytest

from app.gate.questions import GATE_VERSION, gate_questions

ANSWERED_BY = (
    ("4,180 crowns", "the town of Brennhausen bears"),
    ("filter F3", "every six weeks"),
    ("twelve years after", "Signe Aldana"),
    ("morning of the 10th", "stops in Ellerbach"),
    ("moved to the shelf", "more than 21 days"),
    ("April: highest 347", "recorded at gauge B"),
    ("A red dot means three days", "one florin with a red dot"),
    ("wrapped the surveyor", "swollen lids"),
)
"""Of each question, what holds the answer together."""

DIGESTS = {1: "666b89a8b4a6bd83", 2: "666b89a8b4a6bd83"}
"""Of all questions, by version."""


def test_there_are_eight_each_over_six_passages_of_its_own():
    questions = gate_questions()
    assert len(questions) == len(ANSWERED_BY)
    assert {len(question.passages) for question in questions} == {6}
    passages = [passage for question in questions for passage in question.passages]
    assert len(set(passages)) == 48, "a chunk's state is found by its text"
    assert all(300 < len(passage) < 520 for passage in passages)
    assert [passage for passage in passages if passage != passage.strip()] == []


@pytest.mark.parametrize("number", range(8))
def test_an_answer_needs_two_passages_and_none_of_them_is_the_first(number: int):
    """The first one is exact as it is loaded: the answer has to come from those that were moved."""
    passages = gate_questions()[number].passages
    places = [[place for place, passage in enumerate(passages) if hint in passage] for hint in ANSWERED_BY[number]]
    assert [len(found) for found in places] == [1, 1]
    assert len({found[0] for found in places} - {0}) == 2


def test_whoever_changes_a_word_raises_the_version():
    """Or models would go by what was measured with other questions."""
    assert sha256(repr(gate_questions()).encode()).hexdigest()[:16] == DIGESTS[GATE_VERSION]
