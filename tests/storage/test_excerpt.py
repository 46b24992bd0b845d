"""What a search shows of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.excerpt import excerpt

FILLER = "word " * 40


@pytest.mark.parametrize(
    ("text", "term", "shown"),
    [
        ("Green tea.", "tea", "Green tea."),
        (
            f"{FILLER}steak and\n tea {FILLER}",
            "tea",
            "…word word word word steak and tea word word word word word word",
        ),
        (f"{FILLER}brewing {FILLER}", "brews", "…word word word word word word brewing word word word word word word"),
        (f"{FILLER}Café {FILLER}", "cafe", "…word word word word word word Café word word word word word word"),
        (f"{FILLER}parseFile {FILLER}", "file", "…word word word word word parseFile word word word word word word"),
        (FILLER, "nowhere", "word word word word"),
    ],
)
def test_is_cut_between_words_around_the_one_that_was_found(text: str, term: str, shown: str):
    found = excerpt([text], [term])
    assert found.startswith(shown)
    assert len(found) <= 92


def test_has_letters_without_spaces_as_they_were_written():
    text = f"{'あ' * 200}抹茶を飲む{'い' * 200}"
    found = excerpt([text], ["抹茶の"])
    assert found == f"…{'あ' * 30}抹茶を飲む{'い' * 55}…"


def test_korean_syllables_that_begin_alike_are_told_apart():
    assert excerpt([f"{'하' * 100} 한국"], ["한국"]) == "…한국"


def test_comes_from_the_text_with_most_of_the_words_or_else_from_the_first():
    assert excerpt(["Why oolong?", "Oolong is tea."], ["oolong", "tea"]) == "Oolong is tea."
    assert excerpt(["Why oolong?", "Oolong is tea."], ["oolong"]) == "Why oolong?"


@given(st.lists(st.text(), min_size=1), st.lists(st.text()))
def test_any_text_can_be_cut(texts: list[str], terms: list[str]):
    found = excerpt(texts, terms)
    assert len(found) <= 92
    assert any(found.strip("…") in " ".join(text.split()) or "…" in text for text in texts)
