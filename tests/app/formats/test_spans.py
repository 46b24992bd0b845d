from hypothesis import given
from hypothesis import strategies as st

from app.formats.spans import bounded, cut_position, line_starts, paragraphs, trimmed

TEXTS = st.text(alphabet="ab .!\n\t\u3002", max_size=60)


def texts_of(text: str, spans) -> list[str]:
    return [text[start:end] for start, end in spans]


def test_paragraphs_end_at_lines_that_hold_only_spaces():
    text = "\n one\ntwo\n \t\n\nthree \n"
    assert texts_of(text, paragraphs(text, 0, len(text))) == [" one\ntwo", "three"]


def test_trimming_keeps_the_indentation_of_a_whole_line_only():
    text = "ab \n\n  code \n"
    assert trimmed(text, 2, len(text)) == (5, 11)
    assert trimmed("ab  cd", 2, 6) == (4, 6)
    assert trimmed(" \n ", 0, 3) is None


def test_a_piece_ends_behind_a_sentence_rather_than_behind_a_word():
    text = "One two three. Four five"
    assert text[: cut_position(text, 0, 20)] == "One two three. "


def test_a_piece_without_a_sentence_end_ends_behind_a_word():
    assert cut_position("one two three", 0, 11) == len("one two ")


def test_a_piece_without_spaces_is_as_long_as_it_may_be():
    assert cut_position("x" * 30, 0, 11) == 11


def test_japanese_sentences_need_no_space_behind_them():
    text = "\u732b\u304c\u3044\u308b\u3002\u72ac\u3082\u3044\u308b"
    assert cut_position(text, 0, 8) == 5


def test_lines_end_at_line_feeds_and_nowhere_else():
    assert line_starts("a\x0bb\u2028c\nd") == [0, 6, 7]
    assert line_starts("a\n") == [0, 2]


@given(TEXTS, st.integers(1, 12))
def test_bounded_spans_are_short_ordered_and_lose_no_word(text: str, max_num_chars: int):
    spans = list(bounded(text, 0, len(text), max_num_chars))
    assert all(0 < end - start <= max_num_chars for start, end in spans)
    assert spans == sorted(spans)
    assert "".join("".join(texts_of(text, spans)).split()) == "".join(text.split())
