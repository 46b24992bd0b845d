from app.formats.pdf.paragraphs import Paragraph, compounds_in, joined, paragraphs
from app.formats.pdf.rows import Row


def rows(*texts: str, left: float = 0, width: float = 200) -> list[Row]:
    """Full lines, 12 points apart, of letters 10 points high."""
    return [Row((text,), left, left + width, -12.0 * index, 10, is_item=False) for index, text in enumerate(texts)]


def texts(lines: list[Row], *compounds: str) -> list[str]:
    return [paragraph.text for paragraph in paragraphs(lines, compounds)]


def test_chinese_lines_are_joined_without_a_space():
    assert texts(rows("\u6e2f\u53e3\u7684", "\u6e21\u8f6e", "leaves")) == ["\u6e2f\u53e3\u7684\u6e21\u8f6e leaves"]


def test_hyphens_are_kept_where_they_belong_to_the_word():
    assert texts(rows("a cap-", "tain")) == ["a captain"]
    assert texts(rows("a well-", "known captain"), "well-known") == ["a well-known captain"]
    assert texts(rows("Jean-", "Pierre")) == ["Jean-Pierre"]
    assert texts(rows("state-of-", "the-art")) == ["state-of-the-art"]
    assert texts(rows("soft\u00ad", "ware of a cap\u00adtain")) == ["software of a captain"]
    assert joined([paragraphs(rows("\u00ad"), ())] * 2, ()) == [Paragraph("", 10)] * 2
    assert texts(rows("a dash -", "like this")) == ["a dash - like this"]


def test_compounds_are_words_around_hyphens():
    assert compounds_in("A Well-known, state-of-the-art ship: 1990-91 - a-") == ["well-known", "state-of-the-art"]


def test_an_empty_column_has_no_paragraphs():
    assert paragraphs([], ()) == []


def test_a_paragraph_goes_on_in_the_next_column_in_letters_of_its_size():
    def after(last: str, size: float, following: str) -> list[str]:
        columns = [[Paragraph(last, 10)], [Paragraph(following, size), Paragraph("End", 10)]]
        return [paragraph.text for paragraph in joined(columns, ())]

    assert after("it goes", 10, "on") == ["it goes on", "End"]
    assert after("it goes up-", 10, "wards") == ["it goes upwards", "End"]
    assert after("it goes", 7, "on") == ["it goes", "on", "End"]
    assert after("it goes.", 10, "on") == ["it goes.", "on", "End"]
    assert after("it goes", 10, "On") == ["it goes", "On", "End"]
