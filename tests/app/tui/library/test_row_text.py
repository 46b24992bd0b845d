"""A line of the library's tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from app.library.selection import Mark
from app.library.tree import FolderNode, Row, build_tree
from app.tui.library.row_text import RowStyles, arrow_cells, header_text, row_text, shortened
from storage.values import DocumentStage
from tests.app.library.documents import FOLDER, found, standing

STYLES = RowStyles(dict.fromkeys((*DocumentStage, None), Style()), Style(), Style())


def folder(*documents) -> FolderNode:
    (root,) = build_tree([FOLDER], documents)
    return root


def line(node, width: int = 80, depth: int = 0, **options) -> str:
    return row_text(Row(node, depth), width, STYLES, **{"mark": None} | options).plain


def test_a_document_has_its_name_its_state_and_its_size():
    text = line(standing("notes/a.md", num_chunks=5, num_steeped_chunks=2), depth=1)
    assert text.split() == ["a.md", "○", "searchable", "40", "%", "2", "MB"]
    assert text.index("a.md") == 4 + 2 + 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (found("a.md"), "· found"),
        (standing("a.md", num_steeped_chunks=2), "● steeped"),
        (standing("a.md", error="is damaged"), "! unreadable"),
        (standing("a.md", num_chunks=0), "– no text"),
        (standing("a.md", num_chunks=1000, num_steeped_chunks=999), "○ searchable  99 %"),
    ],
)
def test_every_state_has_a_glyph_and_words(document, words: str):
    assert words in line(document)


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ([], "– no documents"),
        ([found("a.md"), found("b.md")], "· found"),
        ([found("a.md"), standing("b.md", num_steeped_chunks=2)], "· 1 found"),
        ([standing("a.md", error="x"), standing("b.md", num_steeped_chunks=1)], "○ searchable  50 % !1"),
        ([standing("a.md", error="x"), standing("b.md", error="y")], "! unreadable"),
    ],
)
def test_a_folder_is_what_its_documents_are(documents, words: str):
    text = line(folder(*documents))
    assert f" {words}  " in text
    assert f"/documents ({len(documents)})" in text


def test_what_is_pinned_has_a_star_and_a_folder_if_all_in_it_is():
    pinned, other = standing("a.md", is_pinned=True), standing("b.md")
    assert "a.md ★" in line(pinned)
    assert "★" in line(folder(pinned))
    assert "★" not in line(folder(pinned, other))
    assert "★" not in line(folder())


def test_the_mark_takes_no_room_from_the_rest():
    document = standing("a.md")
    assert line(document, mark=Mark.SOME) == "[-] " + line(document)[4:]


def test_what_is_being_done_stands_in_place_of_the_state():
    text = line(folder(standing("a.md")), busy_with="is being removed")
    assert "… is being removed" in text
    assert "searchable" not in text


def test_the_columns_stand_below_their_titles():
    header, text = header_text(80).plain, line(standing("a.md", num_steeped_chunks=1))
    assert header.index("State") + 4 == text.index("○")
    assert header.index("On disk") + 4 + len("On disk") == len(text.rstrip()) == text.index("MB") + 2


def test_a_name_cannot_write_to_the_terminal():
    assert "a\ufffd[2Jb\ufffdc.md" in line(standing("a\x1b[2Jb\nc.md"))


def test_the_arrow_is_where_a_click_opens_the_folder():
    row = Row(folder(standing("a.md")), 3)
    assert row_text(row, 80, STYLES, mark=None).plain[arrow_cells(row, 80).start] == "▸"


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs", "Cc", "Mn", "Me", "Cf")), min_size=1),
    st.integers(60, 200),
    st.integers(0, 60),
)
def test_every_line_fills_its_width_exactly(name: str, width: int, depth: int):
    document = standing(f"x{name}", num_steeped_chunks=1, is_pinned=True)
    assert cell_len(line(document, width, depth)) == width - 1
    assert cell_len(line(folder(document), width, depth)) == width - 1


@pytest.mark.parametrize(
    ("width", "text"), [(12, "ferry.md"), (8, "ferry.md"), (7, "fer….md"), (2, "…d"), (1, "…"), (0, "")]
)
def test_a_name_that_is_too_long_loses_its_middle(width: int, text: str):
    assert shortened("ferry.md", width) == text


@given(st.text("a猫 ", max_size=30), st.integers(0, 20))
def test_a_shortened_name_is_never_too_wide(text: str, width: int):
    assert cell_len(shortened(text, width)) <= max(width, 0)
