from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.formats.spans import bounded, cut_position, ends_sentence, line_starts, paragraphs, rank, trimmed

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


def test_a_piece_ends_in_its_second_half_if_it_can():
    assert cut_position("a b c d e f g h i j", 0, 12) > 6


def test_a_rank_follows_from_the_words_around_a_gap_alone():
    here, there = "Some words before it. And some more behind it.", "Another text.\n\n"
    gap = here.index(" And")
    moved = there + "x" * 40 + here + "x" * 40
    assert rank(here, gap, gap + 1) == rank(here.replace(" And", "\n\nAnd"), gap, gap + 2)
    assert rank(here, gap, gap + 1) != rank(here, gap + 4, gap + 5)
    at = moved.index(" And")
    assert rank(moved, at, at + 1) == rank("x" * 20 + moved, at + 20, at + 21)
    assert rank(moved, at, at + 1) == rank("y" + moved[1:], at, at + 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tea.| Goats", True),
        ("(Tea.”)| Goats", True),
        ("tea|\ngoats", True),
        ("茶。|山羊", True),
        ("tea| goats", False),
        ("te|a", False),
        ("a. b| c", False),
        ("1.|5", False),
    ],
)
def test_a_sentence_ends_at_a_gap_behind_its_full_stop_or_its_line(text: str, expected: bool):
    end = text.index("|")
    text = text.replace("|", "")
    start = end if not text[end].isspace() else end + 1
    assert ends_sentence(text, end, start) is expected


def test_an_edit_moves_few_cuts_of_a_long_text():
    chance = Random(1)
    words = [chance.choice(["tea", "goats", "lamp", "ferry", "tower"]) + str(chance.randrange(50)) for _ in range(2000)]
    text, edited = " ".join(words), " ".join([*words[:50], "another", *words[50:]])
    old, new = (texts_of(version, bounded(version, 0, len(version), 100)) for version in (text, edited))
    assert len(old) > 100
    assert len(set(new) - set(old)) <= 5


def test_lines_end_at_line_feeds_and_nowhere_else():
    assert line_starts("a\x0bb\u2028c\nd") == [0, 6, 7]
    assert line_starts("a\n") == [0, 2]


@given(TEXTS, st.integers(1, 12))
def test_bounded_spans_are_short_ordered_and_lose_no_word(text: str, max_num_chars: int):
    spans = list(bounded(text, 0, len(text), max_num_chars))
    assert all(0 < end - start <= max_num_chars for start, end in spans)
    assert spans == sorted(spans)
    assert "".join("".join(texts_of(text, spans)).split()) == "".join(text.split())
