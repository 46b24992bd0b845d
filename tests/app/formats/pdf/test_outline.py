from app.formats.pdf.outline import Entry, places


def found(titles: list[str], paragraphs: list[str]) -> list[int]:
    return places([Entry(1, title) for title in titles], paragraphs)


def test_headings_are_found_by_their_letters():
    page = ["before", "1. The  SHIP", "text of the ship", "1.1 Its captain and the rest of the sentence"]
    assert found(["1 The ship", "1.1 Its captain"], page) == [1, 3]


def test_a_number_may_be_missing_in_the_outline():
    assert found(["The ship"], ["of the ship one could say much more", "Chapter 2: The ship"]) == [1]


def test_headings_keep_their_order():
    assert found(["B", "A"], ["A", "B", "A"]) == [1, 2]


def test_a_heading_that_is_not_found_begins_with_the_one_before_it():
    assert found(["gone", "B", "gone too", "***"], ["A", "B", "C"]) == [0, 1, 1, 1]
    assert found(["A"], []) == [0]
