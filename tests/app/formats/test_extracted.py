import pytest

from app.formats.extracted import ExtractedDocument, Passage


@pytest.mark.parametrize(("start", "end"), [(3, 3), (4, 3), (-1, 2)])
def test_a_passage_has_at_least_one_character(start: int, end: int):
    with pytest.raises(ValueError, match="start < end"):
        Passage(start, end)


@pytest.mark.parametrize(
    ("passages", "complaint"),
    [
        ((Passage(0, 3), Passage(2, 5)), "overlap"),
        ((Passage(4, 5), Passage(0, 3)), "out of order"),
        ((Passage(0, 9),), "outside"),
        ((Passage(3, 4),), "blank"),
    ],
)
def test_a_document_with_impossible_passages_cannot_be_made(passages: tuple[Passage, ...], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        ExtractedDocument("title", "one two", passages)


def test_passages_may_touch():
    assert len(ExtractedDocument("title", "onetwo", (Passage(0, 3), Passage(3, 6))).passages) == 2
