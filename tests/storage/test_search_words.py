import time
from pathlib import Path

import pytest

from storage.search_words import name_words, phrases, separated, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("漢字を学ぶ", "漢 字 を 学 ぶ"),
        ("Python言語3版", "Python 言 語 3 版"),
        ("한국어를 배우다", "한 국 어 를 배 우 다"),
        ("ที่นี่ภาษา๒๕", "ที่ นี่ ภ า ษ า ๒๕"),
        ("မြန်မာ", "မြ န် မာ"),
        ("ភាសាខ្មែរ", "ភា សា ខ្ មែ រ"),
        ("ລາວ", "ລ າ ວ"),
        ("\U00020000\U0002a6d6", "\U00020000 \U0002a6d6"),
    ],
)
def test_letters_of_scripts_without_spaces_become_words(text: str, expected: str):
    words = separated(text)
    assert words is not None
    assert words.split() == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parseConfigFile(x)", "parseConfigFile parse Config File(x)"),
        ("an HTMLElement", "an HTMLElement HTML Element"),
        ("XMLHttpRequest2", "XMLHttpRequest2 XML Http Request 2"),
        ("sha256Sum", "sha256Sum sha 256 Sum"),
        ("GitHub", "GitHub Git Hub"),
        ("my_ownFile", "my_ownFile own File"),
    ],
)
def test_identifiers_are_followed_by_their_parts(text: str, expected: str):
    assert separated(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eﬃcient ﬁle", "efficient file"),
        ("ＡＢＣ１２", "ABC12"),
        ("Doku\u00admentation", "Dokumentation"),
        ("בְּרֵאשִׁית", "בראשית"),
        ("كِتَاب", "كتاب"),
    ],
)
def test_letters_in_disguise_become_the_usual_ones(text: str, expected: str):
    assert separated(text) == expected


def test_decomposed_and_half_width_letters_are_composed_before_they_are_separated():
    assert [(separated(text) or "").split() for text in ("か\u3099く", "ｶﾞｸ", "\u1112\u1161\u11ab")] == [
        ["が", "く"],
        ["ガ", "ク"],
        ["한"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        "snake_case_name",
        "PDFs in 3D, B2B, v1.2",
        "iPhoneähnlich",
        "élanVital",
        "Größe café",
        "हिन्दी में",
    ],
)
def test_text_whose_words_stand_apart_is_left_alone(text: str):
    assert separated(text) is None


def test_what_is_too_long_for_an_identifier_is_not_taken_apart():
    assert separated("aB" * 41) is None
    assert separated("aB" * 40) is not None


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("tea", ["tea"]),
        ("green tea", ["green tea"]),
        ("漢", ["漢"]),
        ("漢字", ["漢 字"]),
        ("漢字を", ["漢 字", "字 を"]),
        ("Python言語版", ["Python", "言 語", "語 版"]),
        ("言語Python", ["言 語", "Python"]),
        ("ＡＢＣ", ["ABC"]),
        ("parseFile", ["parseFile", "parse File"]),
        ("parseFile言語", ["言 語", "parseFile", "parse File"]),
        ("snake_case", ["snake_case"]),
        ("\u00ad", []),
    ],
)
def test_a_term_is_looked_for_by_pairs_of_letters_and_by_parts(term: str, expected: list[str]):
    assert sorted(phrases(term)) == sorted(expected)


@pytest.mark.parametrize("run", ["a", "A", "aB", "aA1", "aBé", "1", "ก", "ก ข ", "漢\u3099", "\u3099", "_", "ﬁ"])
def test_time_grows_with_the_length_and_no_faster(run: str):
    text = run * (100_000 // len(run))
    started = time.process_time()
    separated(text)
    assert time.process_time() - started < 5, "a quadratic search takes minutes"


def test_words_keep_their_marks():
    assert words_of("हिन्दी में, ที่นี่! snake_case: l'été (cafe\u0301) Doku\u00admente") == [
        "हिन्दी",
        "में",
        "ที่นี่",
        "snake_case",
        "l",
        "été",
        "cafe\u0301",
        "Dokumente",
    ]


@pytest.mark.parametrize(
    ("title", "path", "expected"),
    [
        ("The crossing", "docs/ferry-2024.pdf", "The crossing ferry-2024"),
        ("Ferry.md", "docs/ferry.md", "Ferry.md"),
        ("", "docs/ferry.md", " ferry"),
        ("時刻表", "a.txt", " 時 刻 表  a"),
        ("caf\udce9", "caf\udce9.txt", "caf?"),
    ],
)
def test_a_document_is_called_by_its_title_and_its_file_name(title: str, path: str, expected: str):
    assert name_words(title, Path(path)) == expected
