from app.formats.pdf.fragments import Fragment
from app.formats.pdf.rows import rows_of


def at(text: str, left: float, y: float = 100, size: float = 10) -> Fragment:
    """Letters that are half as wide as high."""
    return Fragment(text, left, left + len(text) * size / 2, y, size)


def cells(*fragments: Fragment) -> list[tuple[str, ...]]:
    return [row.cells for row in rows_of(fragments)]


def test_rows_come_from_top_to_bottom_and_read_from_left_to_right():
    assert cells(at("d", 0, 76), at("b", 10), at("c", 0, 88), at("a", 0)) == [("a b",), ("c",), ("d",)]


def test_superscripts_stay_on_their_line():
    assert cells(at("word", 0), at("1", 20, 104, 5), at("below", 0, 88)) == [("word1",), ("below",)]


def test_what_stands_between_two_lines_does_not_make_them_one():
    assert cells(at("a", 0), at("both", 50, 94.5), at("b", 0, 89)) == [("a",), ("both",), ("b",)]


def test_an_initial_as_high_as_several_lines_does_not_make_them_one():
    assert cells(at("T", 0, 96, 30), at("he ship", 20, 100), at("left", 20, 88)) == [("T he ship",), ("left",)]


def test_wide_gaps_are_between_cells():
    row = rows_of([at("a", 0), at("b", 15), at("c", 50)])[0]
    assert (row.cells, row.text) == (("a b", "c"), "a b c")
    assert (row.left, row.right) == (0, 55)


def test_the_mark_of_a_list_item_is_no_cell():
    for mark in ("\u2022", "12.", "(a)", "[7]", "-"):
        row = rows_of([at(mark, 0), at("item", 60)])[0]
        assert (row.cells, row.is_item) == ((f"{mark} item",), True)
    assert not rows_of([at("1990. A year", 0)])[0].is_item
    assert rows_of([at("1. A list", 0)])[0].is_item


def test_hebrew_reads_from_right_to_left():
    assert cells(at("\u05e2\u05d5\u05dc\u05dd", 0), at("\u05e9\u05dc\u05d5\u05dd", 25)) == [
        ("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",)
    ]
