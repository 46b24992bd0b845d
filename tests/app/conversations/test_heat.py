"""From attention on tokens to warm words."""

from hypothesis import given
from hypothesis import strategies as st

from app.conversations.account import Heat
from app.conversations.heat import heat_of, scale_of, weights_of_words

TEXT = "The goat, Admiral"
PIECES = [b"The", b" go", b"at", b",", b" Adm", b"iral", b"\n\n"]


def words(weights: list[float]) -> list[tuple[str, float]]:
    return [(TEXT[start:end], weight) for start, end, weight in weights_of_words(TEXT, PIECES, weights)]


def test_a_word_is_as_warm_as_the_warmest_of_its_tokens() -> None:
    assert words([0, 1, 3, 0, 2, 5, 0]) == [("The", 0.0), ("goat", 3), ("Admiral", 5)]


def test_the_first_token_and_punctuation_are_sinks_and_warm_nothing() -> None:
    assert words([100, 1, 1, 100, 1, 1, 100]) == [("The", 0.0), ("goat", 1), ("Admiral", 1)]


def test_characters_of_several_bytes_and_tokens_of_half_a_character_keep_their_places() -> None:
    text = "x 茶 y"
    pieces = [b"x", b" ", "茶".encode()[:1], "茶".encode()[1:], b" y"]
    assert weights_of_words(text, pieces, [0, 0, 7, 1, 2]) == [(0, 1, 0.0), (2, 3, 7), (4, 5, 2)]


def test_a_space_that_the_vocabulary_put_in_front_moves_nothing() -> None:
    assert weights_of_words("ab cd", [b" ab", b" cd"], [1, 2]) == [(0, 2, 0.0), (3, 5, 2)]


def test_spans_lie_in_the_document_and_neighbours_of_one_level_are_one() -> None:
    found = [(0, 3, 9.0), (10, 14, 9.0), (15, 18, 9.0), (19, 22, 1.0), (23, 25, 0.0)]
    assert heat_of(found, 9.0, first=10, start=500) == (Heat(500, 508, 9), Heat(509, 512, 1))


def test_without_any_attention_nothing_is_warm() -> None:
    assert heat_of([(0, 3, 0.0)], scale_of([0.0]), 0, 0) == ()
    assert scale_of([]) == 0.0


def test_a_passage_that_was_ignored_stays_cold_beside_one_that_was_not() -> None:
    scale = scale_of([0.01] * 50 + [1.0] * 50)
    assert heat_of([(0, 3, 0.01)], scale, 0, 0) == ()
    assert heat_of([(0, 3, 1.0)], scale, 0, 0) == (Heat(0, 3, 9),)


def test_of_too_many_spans_the_warmest_stay() -> None:
    found = [(place, place + 1, 9.0 if place % 5 == 0 else 1.0 + place % 2) for place in range(900)]
    spans = heat_of(found, 9.0, first=0, start=0)
    assert {span.level for span in spans} == {9}
    assert len(spans) == 180


@given(st.text(max_size=40), st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_words_lie_within_the_text_in_order(text: str, weights: list[float]) -> None:
    pieces = [bytes([byte]) for byte in text.encode("utf-8", "surrogatepass")]
    found = weights_of_words(text, pieces, weights)
    places = [place for start, end, _ in found for place in (start, end)]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)
